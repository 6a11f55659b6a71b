import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

const player = new URL('../player/', import.meta.url);
const tags = ['en', 'zh', 'id', 'th', 'vi', 'pt'];
const words = Object.fromEntries(await Promise.all(tags.map(async (tag) => [tag, (await import(`../player/lang/${tag}.js`)).default])));
const slots = (text) => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();

test('every language says everything, with the same numbers in it', () => {
  assert.deepEqual(readdirSync(new URL('lang/', player)).sort(), tags.map((tag) => `${tag}.js`).sort());
  for (const tag of tags) {
    assert.deepEqual(Object.keys(words[tag]), Object.keys(words.en), tag);
    for (const [key, text] of Object.entries(words[tag])) {
      assert.ok(text.trim(), `${tag} ${key}`);
      assert.deepEqual(slots(text), slots(words.en[key]), `${tag} ${key}`);
    }
  }
});

test('Chinese has its own punctuation', () => {
  for (const [key, text] of Object.entries(words.zh)) assert.doesNotMatch(text, /[\u4e00-\u9fff} ] ?[,.:;!?()]|[,.:;!?()] ?[\u4e00-\u9fff{]/, key);
});

test('one is one', () => {
  assert.match(words.en.claim_asked_one, /it should/);
  for (const key of Object.keys(words.en).filter((one) => one.endsWith('_one'))) {
    assert.notEqual(words.en[key], words.en[key.replace(/one$/, 'other')], key);
    assert.doesNotMatch(words.en[key], /\b(they|them|these|coins|chances|wins|seconds)\b/i, key);
  }
});

test('what the page asks for is there', () => {
  const html = readFileSync(new URL('index.html', player), 'utf8');
  const asked = [...html.matchAll(/data-(?:t|label)="(\w+)"/g)].map((m) => m[1]);
  for (const name of readdirSync(player).filter((file) => file.endsWith('.js'))) {
    const code = readFileSync(new URL(name, player), 'utf8');
    asked.push(...[...code.matchAll(/\bt\('(\w+)'/g)].map((m) => m[1]));
  }
  for (const key of asked) assert.ok(key in words.en || `${key}_other` in words.en, key);
});
