import assert from 'node:assert/strict';
import test, { beforeEach, mock } from 'node:test';

import { Toasts } from '../player/toasts.js';

let place, ready, told, toasts;
const add = (name, options) => toasts.add(name[0] === 'w' ? { name, kind: 'win' } : { name }, options).then((shown) => told.push(`${name} ${shown}`));
const pass = async (ms) => {
  mock.timers.tick(ms);
  for (let i = 0; i < 3; i++) await null;
};

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  [place, ready, told] = [null, true, []];
  toasts = new Toasts({ put: (message) => (place = message?.name ?? null), ready: () => ready, sum: (all) => ({ name: all.map(({ name }) => name).join('+') }) });
});

test('each is shown long enough to be read, then the next; told of when it was', async () => {
  add('a');
  add('b');
  assert.equal(place, 'a');
  await pass(1000);
  assert.deepEqual(told, [], 'nobody can have read it yet');
  await pass(1000);
  assert.deepEqual([place, ...told], ['a', 'a true']);
  await pass(1200);
  assert.equal(place, 'b');
  await pass(4000);
  assert.equal(place, 'b', 'nobody waits');
  await pass(3000);
  assert.equal(place, null);
  assert.deepEqual(told, ['a true', 'b true']);
});

test('while nobody can read, nothing is shown and no time goes by', async () => {
  ready = false;
  add('a');
  await pass(20_000);
  assert.deepEqual([place, ...told], [null]);
  ready = true;
  await pass(600);
  assert.equal(place, 'a');
  ready = false; // he has turned away
  await pass(20_000);
  assert.deepEqual(told, []);
  ready = true;
  await pass(1000);
  assert.deepEqual(told, ['a true']);
});

test('many that are alike are told as one', async () => {
  for (const name of ['w1', 'w2', 'x', 'w3', 'w4']) add(name);
  assert.equal(place, 'w1');
  await pass(3000);
  assert.equal(place, 'w2+w3+w4');
  await pass(1200);
  assert.deepEqual(told, ['w1 true', 'w2 true', 'w3 true', 'w4 true']);
  await pass(2000);
  assert.equal(place, 'x');
});

test('a button\'s answer is next, closing brings the next, and the queue has an end', async () => {
  add('a');
  for (let i = 0; i < 40; i++) add(`n${i}`);
  await pass(0);
  assert.equal(told.length, 8);
  assert.ok(told.every((one) => one.endsWith('false')), 'they are not taken for shown');
  toasts.close();
  assert.equal(place, 'n0');
  add('copied', { urgent: true });
  await pass(3000);
  assert.equal(place, 'copied');
});
