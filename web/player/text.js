// What the page says, in the language of who reads it, with that language's numbers.

export const languages = { en: 'English', zh: '中文', id: 'Indonesia', th: 'ไทย', vi: 'Tiếng Việt', pt: 'Português' };

const locales = { en: 'en', zh: 'zh-Hans', id: 'id', th: 'th', vi: 'vi', pt: 'pt-BR' };
const chosenKey = 'shake.language';

let words = {};
let language = 'en';
let numbers = new Intl.NumberFormat('en');
let plurals = new Intl.PluralRules('en');

/** The language that was chosen here before, or the first of the browser's that we have. */
export function preferred() {
  let chosen = '';
  try {
    chosen = localStorage.getItem(chosenKey) ?? '';
  } catch {
    // no storage, no choice
  }
  const wanted = [chosen, ...(navigator.languages ?? [])].map((tag) => tag.toLowerCase().split('-')[0]).map((tag) => (tag === 'in' ? 'id' : tag));
  return wanted.find((tag) => tag in languages) ?? 'en';
}

/** Speaks a language from now on. chosen tells that somebody wanted it. */
export async function speak(tag, { chosen = false } = {}) {
  words = (await import(`./lang/${tag}.js`)).default;
  language = tag;
  numbers = new Intl.NumberFormat(locales[tag]);
  plurals = new Intl.PluralRules(locales[tag]);
  document.documentElement.lang = locales[tag];
  try {
    if (chosen) localStorage.setItem(chosenKey, tag);
  } catch {
    // the choice lasts as long as the page
  }
}

export const spoken = () => language;
export const num = (n) => numbers.format(n);

/** The text of a key; {n} and others stand for numbers, and n chooses between _one and _other. */
export function t(key, values = {}) {
  const text = words[key] ?? words[`${key}_${plurals.select(values.n ?? 0)}`] ?? words[`${key}_other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? num(values[name]) : all));
}

/** How long: 4:05, 1:04:05 or 3 d 4:05:06. */
export function span(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const days = Math.floor(s / 86400);
  const hours = Math.floor(s / 3600) % 24;
  const clock = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  if (days) return `${num(days)} ${t('days')} ${two(hours)}:${clock}`;
  return hours ? `${hours}:${clock}` : clock;
}
