import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

import { Detector } from '../player/detector.js';
import { resting, shaking, swinging, tapping, walking } from './traces.mjs';

// The detector's constants come from what arms, steps and fingers do; no trace of these seeds was looked at for them.
const seeds = Array.from({ length: 200 }, (_, i) => 90_001 + 37 * i);

function beatsOf(trace) {
  const detector = new Detector();
  return trace.filter((sample) => detector.feed(...sample)).map(([t]) => t);
}

/** A beat is right when it falls into a swing that has none yet, or a little behind its end. */
function judge({ trace, swings }) {
  const beats = beatsOf(trace);
  const free = new Set(swings);
  let right = 0;
  for (const t of beats) {
    for (const swing of free) {
      if (t >= swing.from && t <= swing.from + 1.35 * swing.ms) {
        free.delete(swing);
        right++;
        break;
      }
    }
  }
  return { right, wrong: beats.length - right, missed: swings.length - right };
}

function sum(kind, list = seeds) {
  const total = { right: 0, wrong: 0, missed: 0 };
  for (const seed of list) {
    const one = judge(kind(seed));
    for (const key in total) total[key] += one[key];
  }
  return total;
}

export const of = ({ right, wrong, missed }) => ({ recall: right / (right + missed), precision: right / (right + wrong) });

for (const kind of [shaking, swinging]) {
  test(`${kind.name} at 2 to 6 Hz is counted swing by swing`, (t) => {
    const total = sum(kind);
    const { recall, precision } = of(total);
    t.diagnostic(`${kind.name}: ${JSON.stringify(total)} recall ${recall.toFixed(4)} precision ${precision.toFixed(4)}`);
    assert.ok(recall >= 0.95, `recall ${recall}, want 0.95`);
    assert.ok(precision >= 0.95, `precision ${precision}, want 0.95`);
  });
}

// What sensors told of people; README.md beside the files tells where they come from and how to add to them.
const folder = new URL('./traces/', import.meta.url);
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  test(`recorded: ${file}`, (t) => {
    const { kind, shakes, samples } = JSON.parse(readFileSync(new URL(file, folder)));
    const [least, most] = shakes;
    const n = beatsOf(samples).length;
    t.diagnostic(`recorded: ${kind}, ${((samples.at(-1)[0] - samples[0][0]) / 1000).toFixed(0)} s: ${n} beats in ${file}, want ${least} to ${most}`);
    assert.ok(n >= least && n <= most, `${n} beats, want ${least} to ${most}`);
  });
}

test('precision over everything people do with a phone', (t) => {
  const total = sum(shaking);
  const arm = sum(swinging);
  for (const key in total) total[key] += arm[key];
  for (const kind of [walking, resting, tapping]) {
    const { wrong } = sum(kind);
    t.diagnostic(`${kind.name}: ${wrong} beats in ${seeds.length} traces of 10 s, want hardly any`);
    total.wrong += wrong;
    assert.ok(wrong <= seeds.length / 10, `${kind.name}: ${wrong} beats`);
  }
  const { precision } = of(total);
  t.diagnostic(`all: precision ${precision.toFixed(4)}`);
  assert.ok(precision >= 0.95, `precision ${precision}, want 0.95`);
});

test('each rate and each sampling holds by itself', (t) => {
  const groups = new Map();
  for (const made of seeds.flatMap((seed) => [shaking(seed), swinging(seed)])) {
    const rate = Math.floor(1000 / (made.swings.reduce((all, s) => all + s.ms, 0) / made.swings.length));
    for (const name of [`shaking at ${rate} to ${rate + 1} Hz`, made.hz < 25 ? 'sampled under 25 Hz' : 'sampled at 25 Hz and more']) {
      const group = groups.get(name) ?? { right: 0, wrong: 0, missed: 0 };
      const one = judge(made);
      for (const key in group) group[key] += one[key];
      groups.set(name, group);
    }
  }
  for (const [name, group] of [...groups].sort()) {
    const { recall, precision } = of(group);
    t.diagnostic(`${name}: recall ${recall.toFixed(3)} precision ${precision.toFixed(3)}`);
    assert.ok(recall >= 0.9 && precision >= 0.9, `${name}: ${JSON.stringify(group)}`);
  }
});

test('it does not matter when the clock began, and a pause is no shake', () => {
  const { trace } = shaking(7);
  const plain = beatsOf(trace);
  assert.deepEqual(beatsOf(trace.map(([t, ...a]) => [t + 1e9, ...a])).map((t) => Math.round(t - 1e9)), plain.map(Math.round));
  const detector = new Detector();
  for (const sample of trace.slice(0, 100)) detector.feed(...sample);
  assert.equal(detector.feed(1e6, 0, 30, 0), false, 'a sample after a long pause');
  assert.equal(detector.feed(1e6, 0, 30, 0), false, 'the same time again');
});
