// A tick for each shake, a chord for a win. Off until somebody turns it on; no files, the browser plays it.

const key = 'shake.sound';
let on = false;
let audio;

try {
  on = localStorage.getItem(key) === 'on';
} catch {
  // silent
}

export const isOn = () => on;

export function turn(next) {
  on = next;
  try {
    localStorage.setItem(key, on ? 'on' : 'off');
  } catch {
    // for this page only
  }
  if (on) unlock();
}

/** Browsers play nothing before a tap; call it from one. */
export function unlock() {
  if (!on || !globalThis.AudioContext) return;
  audio ??= new AudioContext();
  audio.resume().catch(() => {});
}

function note(hz, atS, lengthS, volume, kind = 'triangle') {
  const from = audio.currentTime + atS;
  const voice = audio.createOscillator();
  const level = audio.createGain();
  voice.type = kind;
  voice.frequency.setValueAtTime(hz, from);
  level.gain.setValueAtTime(volume, from);
  level.gain.exponentialRampToValueAtTime(0.001, from + lengthS);
  voice.connect(level).connect(audio.destination);
  voice.start(from);
  voice.stop(from + lengthS);
}

/** The n-th shake: a tick that climbs. */
export function tick(n) {
  if (on && audio?.state === 'running') note(520 + 14 * (n % 40), 0, 0.08, 0.12, 'square');
}

export function win(big) {
  if (!on || audio?.state !== 'running') return;
  for (const [i, hz] of (big ? [523, 659, 784, 1047, 1319] : [392, 330]).entries()) note(hz, i * 0.09, 0.5, 0.16);
}
