// Accelerometer traces that are made up, with what truly happened. A seed gives the same trace for ever.

/** mulberry32 by T. Ettinger: small, and good enough to make noise. */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tools(seed) {
  const next = random(seed);
  const between = (low, high) => low + next() * (high - low);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const direction = () => {
    const v = [normal(), normal(), normal()];
    const length = Math.hypot(...v);
    return v.map((x) => x / length);
  };
  return { next, between, normal, direction };
}

/** Samples a movement: gravity in a direction that drifts as a hand does, sensor noise, jitter of the sampling times. */
function sample(seed, { seconds, movement, noise }) {
  const r = tools(seed ^ 0x5eed);
  const hz = r.between(16, 60);
  const up = r.direction();
  const drift = r.direction();
  const driftHz = r.between(0.05, 0.3);
  const tilt = r.between(0.02, 0.25);
  const limit = r.next() < 0.3 ? 39.2 : 156.9; // cheap sensors end at 4 g
  const lost = r.next() < 0.3 ? 0.03 : 0; // busy phones lose samples
  const trace = [];
  for (let t = 0; t < seconds * 1000; t += (1000 / hz) * r.between(0.85, 1.15)) {
    const g = up.map((u, i) => u + drift[i] * tilt * Math.sin((2 * Math.PI * driftHz * t) / 1000));
    const length = Math.hypot(...g);
    const a = movement(t).map((m, i) => m + (9.81 * g[i]) / length + noise * r.normal());
    if (r.next() >= lost) trace.push([t, ...a.map((v) => Math.max(-limit, Math.min(limit, v)))]);
  }
  return { trace, hz };
}

/** Shaking at 2 to 6 Hz: each swing has its own length and strength, and the axis turns a little. */
export function shaking(seed) {
  const r = tools(seed);
  const seconds = 10;
  const hz = r.between(2, 6);
  const strength = r.between(7, 13) * (1 + 0.2 * hz); // m/s²: lazy arms and eager ones
  const swings = [];
  for (let t = r.between(200, 700); t < seconds * 1000 - 400; ) {
    const ms = (1000 / hz) * r.between(0.88, 1.12);
    swings.push({ from: t, ms, strength: strength * r.between(0.7, 1.3) });
    t += ms;
  }
  const axis = r.direction();
  const other = r.direction();
  const sway = r.between(0, 0.25);
  const overtone = r.between(0, 0.25);
  const movement = (t) => {
    const swing = swings.find((s) => t >= s.from && t < s.from + s.ms);
    if (!swing) return [0, 0, 0];
    const phase = (2 * Math.PI * (t - swing.from)) / swing.ms;
    const a = swing.strength * (Math.sin(phase) + overtone * Math.sin(2 * phase));
    return axis.map((x, i) => a * (x + sway * other[i] * Math.sin(t / 900)));
  };
  return { ...sample(seed, { seconds, movement, noise: r.between(0.05, 0.9) }), swings };
}

/** Walking, the phone in the hand: steps of 1.5 to 2.4 Hz with the knock of the heel. */
export function walking(seed) {
  const r = tools(seed);
  const hz = r.between(1.5, 2.4);
  const lift = r.between(1.2, 3);
  const knock = r.between(0.5, 3);
  const up = r.direction();
  const side = r.direction();
  const movement = (t) => {
    const phase = (t / 1000) * hz;
    const since = (phase % 1) / hz;
    const a = lift * Math.sin(2 * Math.PI * phase) + knock * Math.exp(-since / 0.03) * Math.cos(since * 90);
    return up.map((u, i) => a * u + 0.4 * lift * side[i] * Math.sin(Math.PI * phase));
  };
  return { ...sample(seed, { seconds: 10, movement, noise: r.between(0.05, 0.5) }), swings: [] };
}

/** On a table, or in a quiet hand. */
export function resting(seed) {
  const r = tools(seed);
  const tremor = r.between(0, 0.4);
  const hz = r.between(6, 12);
  const axis = r.direction();
  const movement = (t) => axis.map((x) => tremor * x * Math.sin((2 * Math.PI * hz * t) / 1000));
  return { ...sample(seed, { seconds: 10, movement, noise: r.between(0.01, 0.4) }), swings: [] };
}

/** Fingers that tap on the glass 2 to 8 times a second: short knocks that ring off. */
export function tapping(seed) {
  const r = tools(seed);
  const hz = r.between(2, 8);
  const into = r.direction();
  const taps = [];
  for (let t = 300; t < 9700; t += (1000 / hz) * r.between(0.7, 1.3)) taps.push({ t, strength: r.between(2, 8), ring: r.between(100, 160) });
  const movement = (t) => {
    let a = 0;
    for (const tap of taps) {
      const since = (t - tap.t) / 1000;
      if (since >= 0 && since < 0.15) a += tap.strength * Math.exp(-since / 0.018) * Math.cos(since * tap.ring);
    }
    return into.map((x) => a * x);
  };
  return { ...sample(seed, { seconds: 10, movement, noise: r.between(0.02, 0.3) }), swings: [] };
}
