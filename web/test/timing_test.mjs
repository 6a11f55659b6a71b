import assert from 'node:assert/strict';
import test from 'node:test';

import { Timing } from '../player/timing.js';

const { now: steady } = performance;
let passed = 0;
performance.now = () => passed;
test.after(() => (performance.now = steady));

const starts = Date.parse('2026-11-11T12:00:00.000Z');
const round = { starts_at: new Date(starts).toISOString(), ends_at: new Date(starts + 10_000).toISOString() };
const clock = (offMS, state) => ({ now: () => starts + passed + offMS, ...state });

test('a round lasts as long as it is, whatever the clock of the phone says', () => {
  for (const off of [40_000, -40_000, 0]) {
    passed = 300;
    const told = { askedMS: 100, answeredMS: 300 };
    for (const state of [{ known: false }, { known: true }]) {
      passed = 300;
      const time = new Timing(round, clock(off, state), told);
      assert.ok(time.leftMS >= 9800 && time.leftMS <= 10_000, `${off}: ${time.leftMS} ms left`);
      assert.ok(time.passedMS >= 0 && time.passedMS <= 200);
      passed = 10_050;
      assert.ok(time.leftMS > 0, 'it was asked for 100 ms after the page began');
      passed = 10_300;
      assert.equal(time.leftMS, 0);
    }
  }
});

test('a clock that was measured knows better, also in the middle of the round', () => {
  passed = 5000;
  const measured = clock(0, { known: false });
  const time = new Timing(round, measured, { answeredMS: 5000 }); // a page that was loaded again
  assert.equal(time.leftMS, 10_000);
  passed = 7000;
  Object.assign(measured, { known: true, exact: true });
  assert.equal(time.leftMS, 3000);
});

test('a round that another page opened ends by the clock, and is not longer than it is', () => {
  passed = 5000;
  assert.equal(new Timing(round, clock(400, { known: true })).leftMS, 4600);
  assert.equal(new Timing(round, clock(-40_000, { known: true })).leftMS, 10_000);
});
