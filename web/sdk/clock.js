// The server's time, as well as it can be told from here.

import { nap } from './http.js';

const samples = 5;
const apartMS = 120; // so that one stall of the network does not spoil all samples

/** A clock that follows the server's. The sample with the shortest round trip counts: half of that trip is the most by
 * which it can be wrong. */
export class Clock {
  #door;
  #offsetMS = 0;
  #tripMS = Infinity;

  constructor(door) {
    this.#door = door;
  }

  /** Measures anew. Without any answer the clock stays as it was. */
  async sync(count = samples) {
    let best = { tripMS: Infinity, offsetMS: this.#offsetMS };
    for (let i = 0; i < count; i++) {
      if (i > 0) await nap(apartMS);
      try {
        const sent = Date.now();
        const from = performance.now();
        const { body } = await this.#door.call('GET', '/v1/time');
        const tripMS = performance.now() - from;
        if (tripMS < best.tripMS) best = { tripMS, offsetMS: Date.parse(body.server_time) - (sent + tripMS / 2) };
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
    return Date.now() + this.#offsetMS;
  }

  /** What the server's clock is ahead of ours. */
  get offsetMS() {
    return this.#offsetMS;
  }

  /** The most by which now() was wrong when it was measured. */
  get errorMS() {
    return this.#tripMS / 2;
  }
}
