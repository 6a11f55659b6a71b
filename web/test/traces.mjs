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

/**
 * A forearm that swings a phone about the elbow, as phones tell it. The phone turns with the arm, so gravity turns in
 * it; the hand pulls it inward as well as to the sides; the wrist stops harder than it starts; people pause. Then what
 * browsers make of it: iOS has the signs the other way, sensors end at 2 to 16 g and know steps, times are whole
 * milliseconds of a clock that ticks unevenly, and events come in bursts or not at all.
 */
export function swinging(seed) {
  const r = tools(seed);
  const seconds = 10;
  const hz = r.between(2, 6);
  const arm = r.between(0.22, 0.42); // m from the elbow, or nearly the wrist's own radius with a long phone
  const reach = Math.min(0.7, (r.between(9, 16) * (1 + 0.15 * hz)) / (arm * (2 * Math.PI * hz) ** 2)); // rad to each side
  const swings = [];
  let pause = r.next() < 0.4 ? r.between(3000, 6000) : Infinity;
  for (let t = r.between(200, 700); t < seconds * 1000 - 400; ) {
    if (t > pause) {
      t += r.between(900, 1600);
      pause = Infinity;
      continue;
    }
    const ms = (1000 / hz) * r.between(0.9, 1.1);
    swings.push({ from: t, ms, reach: reach * r.between(0.8, 1.2) });
    t += ms;
  }
  const overtone = r.between(0, 0.08); // of the angle; its acceleration is nine times that
  const skew = r.between(0, 0.06);
  let current = 0;
  const angle = (t) => {
    while (current < swings.length - 1 && t >= swings[current + 1].from) current++;
    while (current > 0 && t < swings[current].from) current--;
    const s = swings[current];
    if (t < s.from || t >= s.from + s.ms) return 0;
    const phase = (2 * Math.PI * (t - s.from)) / s.ms;
    // Arms ease in and out of a swing that follows on nothing; between swings they go on.
    return s.reach * (Math.sin(phase) - overtone * Math.sin(3 * phase) + skew * (1 - Math.cos(2 * phase)));
  };
  const along = r.direction(); // in the phone: where the arm swings it
  const out = cross(along, r.direction());
  const up = r.direction();
  const hold = r.between(0.02, 0.15);
  const holdHz = r.between(0.05, 0.3);

  const rate = r.between(16, 60);
  const ios = r.next() < 0.5;
  const limit = [19.6, 39.2, 78.4, 156.9][Math.floor(r.between(0, 4))];
  const step = r.next() < 0.3 ? 0.153 : 0.0012; // a sixty-fourth of a g, or what a good one tells
  const noise = r.between(0.02, 0.5);
  const tickMS = r.next() < 0.3 ? 4 : 1;
  const lost = r.next() < 0.4 ? r.between(0.01, 0.05) : 0;
  const trace = [];
  const h = 6; // ms: a body has no corners, so neither has its second derivative
  let stall = 0;
  for (let t = 10; t < seconds * 1000; t += (1000 / rate) * r.between(0.75, 1.25)) {
    const a = angle(t);
    const speed = ((angle(t + h) - angle(t - h)) / (2 * h)) * 1000;
    const push = ((angle(t + h) - 2 * a + angle(t - h)) / h ** 2) * 1e6;
    const turned = turn(turn(up, cross(along, out), a), along, hold * Math.sin((2 * Math.PI * holdHz * t) / 1000));
    let f = along.map((x, i) => arm * (push * x - speed ** 2 * out[i]) + 9.81 * turned[i] + noise * r.normal());
    f = f.map((v) => Math.max(-limit, Math.min(limit, Math.round(v / step) * step)) * (ios ? -1 : 1));
    if (r.next() < 0.005) stall = t + r.between(40, 90); // the page was busy: one event instead of several
    if (t < stall || r.next() < lost) continue;
    const at = Math.round(t / tickMS) * tickMS;
    if (at > (trace.at(-1)?.[0] ?? -1)) trace.push([at, ...f]);
  }
  return { trace, swings, hz: rate };
}

function cross(a, b) {
  const v = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const length = Math.hypot(...v);
  return v.map((x) => x / length);
}

/** Turns v about an axis of length 1 (Rodrigues). */
function turn(v, axis, angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  const dot = v.reduce((sum, x, i) => sum + x * axis[i], 0);
  const w = [axis[1] * v[2] - axis[2] * v[1], axis[2] * v[0] - axis[0] * v[2], axis[0] * v[1] - axis[1] * v[0]];
  return v.map((x, i) => x * c + w[i] * s + axis[i] * dot * (1 - c));
}
