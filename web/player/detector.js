// Counts shakes in what an accelerometer tells. No DOM, no clock: what goes in decides what comes out.
//
// A shake is one swing to and fro. Gravity is what changes slowly, so a low-pass finds it and it is taken away. What is
// left is projected on the axis along which the phone moves most (the direction of the greatest variance, followed by
// power iteration), so it does not matter how the phone is held. Along that axis a swing is a push one way and a pull
// the other way. Both must be strong (a hand in the pocket of somebody who walks is not), both must last (a tap on the
// glass is over at once), and swings come no faster than an arm can move.

export const defaults = {
  gravityMS: 450, // time constant of the low-pass that finds gravity
  axisMS: 400, // how long the axis remembers
  push: 4.6, // m/s², the least that counts to either side; walking gives 2 to 4
  share: 0.28, // of the usual strength, the least that counts; keeps noise on strong shaking from counting
  impulse: 0.22, // m/s, the least area under a push; a tap has less than 0.15
  refractoryMS: 115, // nobody shakes 8.7 times a second
  restMS: 700, // a swing whose halves are further apart is none
  gapMS: 400, // samples further apart are not joined up
};

export class Detector {
  #o;
  #last = NaN; // ms
  #gravity = null;
  #axis = [0.57, 0.58, 0.58];
  #variance = new Float64Array(6); // xx xy xz yy yz zz
  #strength = 0;
  #side = 0; // of zero, where the signal is: -1, 0, 1
  #area = 0; // since it got there
  #peak = 0;
  #from = NaN; // when it got there
  #pushed = 0; // the side of the last push that counted
  #pushedAt = -Infinity;
  #beatAt = -Infinity;
  #half = false; // one push of a swing is done

  constructor(options = {}) {
    this.#o = { ...defaults, ...options };
  }

  /** How hard the phone is being shaken now, in m/s². */
  get strength() {
    return this.#strength;
  }

  /** Takes one sample: ms on any monotonic clock, m/s² with gravity. Tells whether a shake is complete with it. */
  feed(t, ax, ay, az) {
    const dt = t - this.#last;
    if (!(dt > 0)) {
      if (Number.isNaN(this.#last)) this.#begin(t, ax, ay, az);
      return false;
    }
    this.#last = t;
    if (dt > this.#o.gapMS) {
      this.#begin(t, ax, ay, az);
      return false;
    }
    return this.#swing(t, dt, this.#project(dt, ax, ay, az));
  }

  #begin(t, ...a) {
    this.#last = t;
    // The first sample may be mid-swing. Gravity's length is known, so its direction is the better guess.
    const length = Math.hypot(...a) || 1;
    this.#gravity = a.map((v) => (v * 9.81) / length);
    this.#side = 0;
    this.#area = 0;
    this.#peak = 0;
    this.#pushed = 0;
  }

  /** The movement along the axis of most movement. */
  #project(dt, ...a) {
    const g = this.#gravity;
    const slow = dt / (this.#o.gravityMS + dt);
    const h = a.map((v, i) => v - (g[i] += slow * (v - g[i])));
    const keep = dt / (this.#o.axisMS + dt);
    const v = this.#variance;
    const products = [h[0] * h[0], h[0] * h[1], h[0] * h[2], h[1] * h[1], h[1] * h[2], h[2] * h[2]];
    products.forEach((p, i) => (v[i] += keep * (p - v[i])));
    const d = this.#axis;
    for (let i = 0; i < 2; i++) {
      const next = [v[0] * d[0] + v[1] * d[1] + v[2] * d[2], v[1] * d[0] + v[3] * d[1] + v[4] * d[2], v[2] * d[0] + v[4] * d[1] + v[5] * d[2]];
      const length = Math.hypot(...next);
      if (length < 1e-9) break;
      next.forEach((x, j) => (d[j] = x / length));
    }
    const s = h[0] * d[0] + h[1] * d[1] + h[2] * d[2];
    // A sine of that variance would be so strong.
    this.#strength = Math.sqrt(2 * (v[0] + v[3] + v[5]));
    return s;
  }

  #swing(t, dt, s) {
    const side = Math.sign(s);
    if (side !== this.#side) {
      this.#side = side;
      this.#area = 0;
      this.#peak = 0;
      this.#from = t;
    }
    this.#area += (Math.abs(s) * dt) / 1000;
    this.#peak = Math.max(this.#peak, Math.abs(s));
    const strong = this.#peak >= Math.max(this.#o.push, this.#o.share * this.#strength);
    if (!side || !strong || this.#area < this.#o.impulse || side === this.#pushed) {
      if (side && side === this.#pushed && strong) this.#pushedAt = t;
      return false;
    }
    const paired = this.#pushed !== 0 && t - this.#pushedAt <= this.#o.restMS;
    this.#pushed = side;
    this.#pushedAt = t;
    // The first push of a swing waits for the second one; from there on each second push completes a swing.
    if (!paired) this.#half = false;
    this.#half = !this.#half;
    if (this.#half || t - this.#beatAt < this.#o.refractoryMS) return false;
    this.#beatAt = t;
    return true;
  }
}
