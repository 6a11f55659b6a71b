// Records what the sensor tells, for the tests of the detector: open the page with ?record. What is recorded stays on the
// phone until somebody hands the file on. It is a tool, so it speaks English only.

import { permit } from './motion.js';

const longestS = 20;

const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text, className: tag === 'button' ? 'slab' : 'fine' });

/** Samples since start, until stop() gives them: [ms, x, y, z] in m/s² with gravity. */
export function record(target = globalThis) {
  const samples = [];
  let from = NaN;
  const take = (event) => {
    const a = event.accelerationIncludingGravity;
    if (a?.x == null || a.y == null || a.z == null) return;
    if (Number.isNaN(from)) from = event.timeStamp;
    samples.push([event.timeStamp - from, a.x, a.y, a.z].map((v) => Math.round(v * 1000) / 1000));
  };
  target.addEventListener('devicemotion', take);
  return () => {
    target.removeEventListener('devicemotion', take);
    return samples;
  };
}

/** The file as the tests want it: the count may be one off, for swings that begin or end outside. */
export function file(kind, count, samples, source) {
  const lines = samples.map((sample) => JSON.stringify(sample)).join(',\n');
  return `${JSON.stringify({ kind, shakes: [Math.max(0, count - 1), count + 1], source }).slice(0, -1)}, "samples": [\n${lines}\n]}\n`;
}

/** Puts the recorder where the page was. */
export function begin() {
  const button = make('button', 'Record');
  const words = make('p', `Press, shake and count, press again: ${longestS} s at most.`);
  const place = document.createElement('main');
  place.className = 'view';
  place.append(button, words);
  document.querySelector('main').replaceWith(place);
  let stop = null;
  let over = 0;
  const end = () => {
    clearTimeout(over);
    const samples = stop();
    stop = null;
    button.textContent = 'Record';
    if (!samples.length) return (words.textContent = 'The sensor told nothing. It does so over https only, and where it is allowed.');
    const kind = prompt('What was it? shaking, walking, resting, tapping', 'shaking');
    const count = Number(prompt('How many shakes, to and fro?', '0'));
    if (!kind || !(count >= 0)) return (words.textContent = 'Thrown away.');
    const link = make('a', `${samples.length} samples: keep the file`);
    link.href = URL.createObjectURL(new Blob([file(kind, count, samples, navigator.userAgent)], { type: 'application/json' }));
    link.download = `${kind}-${new Date().toISOString().slice(0, 16).replace(/\D/g, '')}.json`;
    words.replaceChildren(link);
  };
  button.addEventListener('click', async () => {
    if (stop) return end();
    if ((await permit()) === 'denied') return (words.textContent = 'The sensor is not allowed here.');
    stop = record();
    button.textContent = 'Stop';
    over = setTimeout(end, longestS * 1000);
  });
}
