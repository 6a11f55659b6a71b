import assert from 'node:assert/strict';
import test, { mock } from 'node:test';

// As much of a page as lobby.js touches.
const element = () => ({
  dataset: {}, style: { setProperty() {} }, textContent: '', classList: { toggle() {} }, addEventListener() {},
  querySelector: () => true, children: [{}, { childNodes: new Proxy([], { get: () => ({}) }), replaceChildren() {} }],
});
const elements = new Map();
const byID = (id) => elements.get(id) ?? (elements.set(id, element()), elements.get(id));
globalThis.document = { getElementById: byID, querySelectorAll: () => [], querySelector: element, visibilityState: 'hidden', body: element(), createElement: element, createTextNode: element, addEventListener() {}, documentElement: { lang: '' } };
globalThis.matchMedia = () => ({ matches: true, addEventListener() {} });
globalThis.addEventListener ??= () => {};
globalThis.cancelAnimationFrame ??= () => {};
globalThis.localStorage ??= { getItem: () => null, setItem() {} };

test('a screen reader is told the pool now and then, and at last as it is', async () => {
  const { speak } = await import('../player/text.js');
  const { pool } = await import('../player/lobby.js');
  await speak('en');
  const said = () => byID('pool-sr').textContent;
  mock.timers.enable({ apis: ['setTimeout'] });
  pool({ left: 0, funded: 100 });
  assert.equal(said(), '0 coins in the pool');
  pool({ left: 90, funded: 100 });
  pool({ left: 80, funded: 100 });
  assert.equal(said(), '0 coins in the pool', 'not each change');
  mock.timers.tick(15_000);
  assert.equal(said(), '80 coins in the pool', 'the last one is not lost');
  mock.timers.tick(15_000);
  pool({ left: 70, funded: 100 });
  assert.equal(said(), '70 coins in the pool');
  mock.timers.reset();
});
