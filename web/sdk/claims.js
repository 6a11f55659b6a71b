// Wins whose coins the wallet does not show. Mostly they are on their way; where a server has lost them their claims bring
// them back. So after a while the claims are sent, without anybody asking for it.

import { nap, Problem } from './http.js';

const looksMS = [4000, 8000, 15_000, 20_000, 30_000, 60_000, 60_000, 120_000, 120_000, 300_000]; // then no more, until the next win or page
const sendAfterMS = 20_000; // coins are in the wallet within seconds
const spreadMS = 20_000; // a fail-over makes many lose in the same second, who must not come back in the same second
const keepMS = 7 * 24 * 3600_000; // a run is settled by then, and pays nothing any more

/** Watches over the claims of a session's player. tell hears of those that are open, as
 * {round, campaign, coins, claim, at, state}, and how many looks there were since watch(); state is one of
 *   waiting   the wallet does not show it yet
 *   asked     the claim was sent, and the round may be on its way
 *   paid      the claim was paid, and the wallet will show it
 *   empty     no coin is left for it now; the claim stays good
 *   over      its run is over: nothing pays it any more */
export class Claims {
  #session;
  #tell;
  #stop;
  #states = new Map(); // round -> state
  #afterMS = sendAfterMS + Math.random() * spreadMS;

  constructor(session, tell) {
    this.#session = session;
    this.#tell = tell;
  }

  /** Begins to look, anew if it has begun before. */
  watch(looks = looksMS) {
    this.close();
    const stop = new AbortController();
    this.#stop = stop;
    this.#look(looks, stop.signal).catch(() => {}); // closed
  }

  close() {
    this.#stop?.abort();
  }

  async #look(looks, signal) {
    let n = 0;
    for (const ms of looks) {
      n++;
      await nap(ms * (0.75 + Math.random() / 2), signal);
      let open;
      try {
        open = await this.#session.claims();
      } catch {
        continue; // no network, or a server that is busy: the next look
      }
      for (const one of open) if (Date.now() - one.at > this.#afterMS) await this.#send(one, signal);
      signal.throwIfAborted();
      this.#tell(open.map((one) => ({ ...one, state: this.#states.get(one.round) ?? 'waiting' })), n);
      if (!open.length) return;
    }
  }

  async #send(one, signal) {
    const state = this.#states.get(one.round);
    if (state === 'over') return;
    if (Date.now() - one.at > keepMS) return this.#session.forget(one);
    try {
      const { status } = await this.#session.redeem(one);
      // What was paid is sent again while the wallet lacks it: the fail-over after this one may lose that too.
      this.#states.set(one.round, status === 'pending' ? (state === 'paid' ? state : 'asked') : 'paid');
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status === 401) throw problem;
      if (problem.code === 'pool_empty') this.#states.set(one.round, 'empty');
      else if (!problem.passes) this.#states.set(one.round, 'over');
      else await nap(problem.retryAfterMS, signal);
    }
  }
}
