// The server's time, as well as it can be told from here.

import { nap } from './http.js';

const samples = 5;
const apartMS = 120; // so that one stall of the network does not spoil all samples

const stepMS = 400; // the device's two clocks drift by less between two looks
const again = 3; // samples after a step

/** A clock that follows the server's. The sample with the shortest round trip counts: half of that trip is the most by
 * which it can be wrong. It goes by the browser's monotonic clock, so that a round does not jump when the device's time
 * is set. That clock stands still on some devices that sleep; both a sleep and a time that was set move the two clocks of
 * the device against each other, and then it measures anew. */
export class Clock {
  #door;
  #offsetMS = apart(); // the server's time less performance.now(); before it is measured, that of the device
  #apartMS = apart(); // what it was when that was last looked at
  #measuring = false;
  #tripMS = Infinity;

  constructor(door) {
    this.#door = door;
  }

  /** Measures anew. Without any answer the clock stays as it was. */
  async sync(count = samples) {
    this.#apartMS = apart();
    let best = { tripMS: Infinity, offsetMS: this.#offsetMS };
    for (let i = 0; i < count; i++) {
      if (i > 0) await nap(apartMS);
      try {
        const from = performance.now();
        const { body } = await this.#door.call('GET', '/v1/time');
        const tripMS = performance.now() - from;
        if (tripMS < best.tripMS) best = { tripMS, offsetMS: Date.parse(body.server_time) - (from + tripMS / 2) };
      } catch {
        // the next sample, or the next sync
      }
    }
    if (best.tripMS < Infinity) {
      this.#offsetMS = best.offsetMS;
      this.#tripMS = best.tripMS;
    }
    return this;
  }

  /** The server's time now, in ms since 1970. */
  now() {
    if (Math.abs(apart() - this.#apartMS) > stepMS) this.#stepped();
    return performance.now() + this.#offsetMS;
  }

  async #stepped() {
    this.#apartMS = apart();
    if (this.#measuring || this.#tripMS === Infinity) return; // whom nobody has asked to measure, is not to start by itself
    this.#measuring = true;
    await this.sync(again).finally(() => (this.#measuring = false));
  }

  /** What the server's clock is ahead of the device's. */
  get offsetMS() {
    return this.#offsetMS - apart();
  }

  /** The most by which now() was wrong when it was measured. */
  get errorMS() {
    return this.#tripMS / 2;
  }
}

function apart() {
  return Date.now() - performance.now();
}
