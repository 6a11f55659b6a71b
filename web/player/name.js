// The id that a typed name becomes. Ids have plain letters: accents are dropped, letters of their own get the ones that
// people write instead, and names in other scripts a number.

const plain = {
  ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ı: 'i', ŀ: 'l', ŧ: 't', ø: 'o', ɓ: 'b', ɗ: 'd', ƙ: 'k', ƴ: 'y', ŋ: 'ng', ə: 'e', ɛ: 'e', ɔ: 'o',
  ß: 'ss', ſ: 's', æ: 'ae', œ: 'oe', þ: 'th', ĸ: 'k', ŉ: 'n',
};

const letter = (c) => {
  const small = c.toLowerCase();
  const told = plain[small];
  if (!told) return c;
  return c === small ? told : told[0].toUpperCase() + told.slice(1);
};

/** The id of a name; '' where it has no letter and no digit. */
export function idOf(name) {
  const typed = name.trim();
  const letters = [...typed.normalize('NFKD').replace(/\p{M}/gu, '')].map(letter).join('');
  const id = letters.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '');
  if (id || !/[\p{L}\p{N}]/u.test(typed)) return id;
  return `player-${[...typed].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 99991, 7)}`;
}
