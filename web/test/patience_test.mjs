import assert from 'node:assert/strict';
import test from 'node:test';

import { patiently } from '../player/patience.js';
import { Problem } from '../sdk/http.js';

const page = new EventTarget();
for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) globalThis[name] ??= page[name].bind(page);

const busy = (afterMS = 0) => new Problem(503, { code: 'busy' }, afterMS);
const offline = () => new Problem(0, { code: 'offline' }, 0);

/** Asks what answers with these problems first. Gives when it was asked, in ms. */
async function asks(problems, { show = () => {}, ...options } = {}) {
  const began = performance.now();
  const at = [];
  const answer = await patiently(async () => {
    at.push(Math.round(performance.now() - began));
    if (problems.length) throw problems.shift();
    return 'answer';
  }, { tries: 10, show, ...options }).catch((problem) => problem);
  return { at, answer };
}

test('it is asked again by itself, not before the server wants it', async () => {
  const codes = [];
  const { at, answer } = await asks([busy(1500)], { show: (code) => codes.push(code) });
  assert.equal(answer, 'answer');
  assert.deepEqual(codes, ['busy']);
  assert.ok(at[1] >= 1500 && at[1] < 4000, `asked at ${at}`);
});

test('a button and a network that is back ask at once, and once a second at most', async () => {
  const pressed = await asks([busy(60_000), busy(60_000)], { show: (_, now) => now() });
  assert.ok(pressed.at[1] >= 1000 && pressed.at[2] - pressed.at[1] >= 1000 && pressed.at[2] < 4000, `asked at ${pressed.at}`);
  const back = await asks([offline()], { show: () => setTimeout(() => dispatchEvent(new Event('online')), 10) });
  assert.ok(back.at[1] >= 1000 && back.at[1] < 2500, `asked at ${back.at}`);
});

test('it ends: with a no, with what is not worth it, and after so many tries', async () => {
  const no = new Problem(404, { code: 'not_found' }, 0);
  assert.equal((await asks([no])).answer, no);
  assert.equal((await asks([offline()], { worth: ({ status }) => status > 0 })).answer.code, 'offline');
  const { at, answer } = await asks(Array.from({ length: 9 }, () => busy()), { tries: 2, show: (_, now) => now() });
  assert.deepEqual([at.length, answer.code], [2, 'busy']);
});

test('waits differ from phone to phone, and grow', async () => {
  const { setTimeout: real } = globalThis;
  const waits = [];
  globalThis.setTimeout = (fn, ms) => real(fn, (waits.push(ms), 0));
  const { now } = performance;
  let passed = 0;
  performance.now = () => (passed += 5000);
  try {
    for (let i = 0; i < 30; i++) await asks(Array.from({ length: 6 }, () => busy()));
  } finally {
    globalThis.setTimeout = real;
    performance.now = now;
  }
  assert.equal(waits.length, 180);
  assert.ok(new Set(waits).size > 150);
  assert.ok(Math.max(...waits) <= 30_000 && Math.max(...waits) > 10_000);
});
