// The server's time, as well as it can be told from here.

import { backoff, nap } from './http.js';

const samples = 5;
const apartMS = 120; // so that one stall of the network does not spoil all samples

const stepMS = 400; // the device's two clocks drift by less between two looks
const again = 3; // samples after a step
const moreTries = 20; // for samples that did not come: about five minutes
const moreCapMS = 30_000;

/** A clock that follows the server's. The sample with the shortest round trip counts: half of that trip is the most by
 * which it can be wrong. Until a sample comes it goes by what other answers tell of the server's time. It goes by the
 * browser's monotonic clock, so that a round does not jump when the device's time is set. That clock stands still on some
 * devices that sleep; both a sleep and a time that was set move the two clocks of the device against each other, and then
 * it measures anew. */
export class Clock {
  #door;
  #offsetMS = apart(); // the server's time less performance.now(); before anything is known, that of the device
  #apartMS = apart(); // what it was when that was last looked at
  #low = -Infinity; // the offset is between these two by what answers told since a sample counted last
  #high = Infinity;
  #tripMS = Infinity; // of the sample that counts
  #asked = false;
  #measuring = false;
  #missing = 0; // samples that are still asked for
  #goesOn = false;

  constructor(door) {
    this.#door = door;
    door.onDate = (atMS, from, to) => this.heard(atMS, atMS + 1000, from, to);
  }

  /** Measures anew. Samples that do not come now are asked for later on; until one comes the clock stays as it was. */
  async sync(count = samples) {
    this.#asked = true;
    this.#apartMS = apart();
    const best = { tripMS: Infinity };
    let missing = count;
    let afterMS = 0;
    for (let i = 0; i < count && !afterMS; i++) {
      if (i > 0) await nap(apartMS);
      const problem = await this.#sample(best);
      if (!problem) missing--;
      afterMS = problem?.retryAfterMS ?? 0;
    }
    this.#take(best);
    this.#missing = missing && Math.max(missing, this.#missing);
    if (missing) this.#goOn(best, afterMS);
    return this;
  }

  async #goOn(best, afterMS) {
    if (this.#goesOn) return;
    this.#goesOn = true;
    for (let tries = 0; this.#missing > 0 && tries < moreTries; tries++) {
      await nap(backoff(tries, { baseMS: 1000, capMS: moreCapMS, afterMS }), undefined, afterMS);
      if (!this.#missing) break; // they came meanwhile
      const problem = await this.#sample(best);
      afterMS = problem?.retryAfterMS ?? 0;
      if (problem) continue;
      this.#missing--;
      tries = -1;
      this.#take(best);
    }
    this.#goesOn = false;
  }

  /** Takes one sample. Gives the problem where there was one. */
  async #sample(best) {
    try {
      const from = performance.now();
      const { body } = await this.#door.call('GET', '/v1/time');
      const tripMS = performance.now() - from;
      const offsetMS = Date.parse(body.server_time) - (from + tripMS / 2);
      if (Number.isNaN(offsetMS)) return {}; // somebody else's answer
      if (tripMS < best.tripMS) Object.assign(best, { tripMS, offsetMS });
    } catch (problem) {
      return problem;
    }
  }

  #take({ tripMS, offsetMS }) {
    if (tripMS === Infinity) return;
    this.#offsetMS = offsetMS;
    this.#tripMS = tripMS;
    this.#forget();
  }

  #forget() {
    [this.#low, this.#high] = [-Infinity, Infinity];
  }

  /** Hears that at some moment between from and to, by performance.now(), the server's time was atMS at least and untilMS
   * at most. It counts while no sample does. */
  heard(atMS, untilMS, from, to) {
    if (this.exact || Number.isNaN(atMS)) return;
    this.#low = Math.max(this.#low, atMS - to);
    this.#high = Math.min(this.#high, untilMS - from);
    if (this.#low > this.#high) [this.#low, this.#high] = [atMS - to, untilMS - from]; // the newest counts
    if (this.#offsetMS < this.#low || this.#offsetMS > this.#high) this.#offsetMS = this.known ? (this.#low + this.#high) / 2 : Math.max(this.#low, Math.min(this.#high, this.#offsetMS));
  }

  /** The server's time now, in ms since 1970. */
  now() {
    if (Math.abs(apart() - this.#apartMS) > stepMS) this.#stepped();
    return performance.now() + this.#offsetMS;
  }

  async #stepped() {
    this.#apartMS = apart();
    if (this.#measuring || !this.#asked) return; // whom nobody has asked to measure, is not to start by itself
    this.#tripMS = Infinity;
    this.#forget();
    this.#measuring = true;
    await this.sync(again).finally(() => (this.#measuring = false));
  }

  /** What the server's clock is ahead of the device's. */
  get offsetMS() {
    return this.#offsetMS - apart();
  }

  /** The most by which now() was wrong when it was measured; Infinity while it is the device's. */
  get errorMS() {
    return this.exact ? this.#tripMS / 2 : (this.#high - this.#low) / 2;
  }

  /** Whether a sample counts. */
  get exact() {
    return this.#tripMS < Infinity;
  }

  /** Whether the server's time is known at all, by a sample or within a second or so. */
  get known() {
    return this.errorMS < Infinity;
  }
}

function apart() {
  return Date.now() - performance.now();
}
