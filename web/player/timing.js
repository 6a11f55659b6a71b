// When a round is over, also for a phone whose clock is wrong and that could not ask the server for the time.

/** The time of one round. answeredMS is when the page was told of it, by performance.now(); askedMS is when it asked for it
 * first, where it was this page that opened it: the round began between the two, so it is over a round's length later.
 * A clock that was measured knows better, also while the round runs. */
export class Timing {
  #round;
  #clock;
  #leastMS;
  #mostMS;

  constructor(round, clock, { askedMS = -Infinity, answeredMS = performance.now() } = {}) {
    this.#round = { starts: Date.parse(round.starts_at), ends: Date.parse(round.ends_at) };
    this.#clock = clock;
    this.#leastMS = askedMS + this.lengthMS;
    this.#mostMS = answeredMS + this.lengthMS;
  }

  get lengthMS() {
    return this.#round.ends - this.#round.starts;
  }

  /** Until it is over; 0 when it is. */
  get leftMS() {
    const byClock = this.#round.ends - this.#clock.now();
    if (this.#clock.exact) return Math.max(0, byClock);
    const now = performance.now();
    const most = Math.max(0, this.#mostMS - now);
    return this.#clock.known ? Math.min(most, Math.max(0, byClock, this.#leastMS - now)) : most;
  }

  /** Since it began. */
  get passedMS() {
    return this.lengthMS - this.leftMS;
  }
}
