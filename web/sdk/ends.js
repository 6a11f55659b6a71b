// Ends that are on their way. An end is stored before it is sent and stays stored until it is answered, so neither a
// dead network nor a reload loses the coins of a round. It is always sent with the same body: the server then gives
// the same answer, however often it arrives.

import { backoff, nap, Problem } from './http.js';

const keepMS = 7 * 24 * 3600_000; // nobody answers an end that is older
// What our server says about an end for good. Everything else is a wait, and so is what somebody on the way says. A round
// whose end came too early is still open.
const final = ['malformed', 'unknown_field', 'token_invalid', 'not_yours', 'not_found', 'too_late', 'pool_empty', 'no_chances', 'too_large'];
const overMS = 2_000; // an end that is not answered for so long is told of as pending

export class Ends {
  #session;
  #sending = new Map(); // key -> promise

  constructor(session) {
    this.#session = session;
  }

  /** Stores an end and sends it until it is answered. Gives the result; throws a Problem when the answer is a no.
   * onWait is told, again and again, why there is no answer yet. */
  end(campaign, number, token, shakes, beats, { onWait, until } = {}) {
    const key = this.#key(campaign, number);
    const stored = this.#session.store.get(key);
    // Another tab may have ended this round already: its body is the one that counts.
    if (stored?.token !== token) {
      const body = JSON.stringify(beats ? { token, shakes, beats } : { token, shakes });
      this.#session.store.set(key, { campaign, number, token, body, at: Date.now(), until });
    }
    return this.#send(key, onWait);
  }

  /** The ends of this player that are not answered yet. */
  pending() {
    const list = [];
    for (const key of this.#session.store.keys(this.#key('', ''))) {
      const end = this.#session.store.get(key);
      if (!end || Date.now() - end.at > keepMS) this.#session.store.remove(key);
      else list.push({ ...end, key });
    }
    return list;
  }

  /** Goes on with what an earlier page left. */
  resume({ onWait } = {}) {
    return this.pending().map((end) => ({ campaign: end.campaign, number: end.number, until: end.until, result: this.#send(end.key, onWait) }));
  }

  #key(campaign, number) {
    const begin = `end.${this.#session.user}/`;
    return campaign ? `${begin}${campaign}/${number}` : begin;
  }

  #send(key, onWait) {
    if (!this.#sending.has(key)) {
      const sending = this.#until(key, onWait).finally(() => this.#sending.delete(key));
      this.#sending.set(key, sending);
    }
    return this.#sending.get(key);
  }

  async #until(key, onWait) {
    const { store } = this.#session;
    const end = store.get(key);
    const began = Date.now();
    for (let tries = 0; ; tries++) {
      let why;
      let afterMS = 0;
      try {
        const answer = await this.#ask(end);
        if (isResult(answer, end)) return this.#won(key, answer.body);
        why = answer.status === 202 ? 'pending' : 'unreadable';
        afterMS = answer.retryAfterMS;
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.status === 401) throw problem; // stays stored: a new session sends it
        if (final.includes(problem.code)) {
          store.remove(key);
          throw problem;
        }
        why = problem.code;
        afterMS = problem.retryAfterMS;
      }
      if (why === 'pending' || why === 'offline' || why === 'unreadable' || Date.now() - began > overMS) onWait?.(why);
      if (await nap(backoff(tries, { afterMS }), undefined, afterMS)) tries = 0; // a network that is back may stutter first
    }
  }

  /** Sends the end once. Where another one came first, its result is the one that counts. */
  async #ask(end) {
    const path = `/v1/campaigns/${encodeURIComponent(end.campaign)}/rounds/${end.number}`;
    try {
      return await this.#session.call('POST', `${path}/end`, { body: end.body });
    } catch (problem) {
      if (problem.code !== 'conflicting_repeat') throw problem;
      return this.#session.call('GET', path);
    }
  }

  #won(key, result) {
    const { store, user } = this.#session;
    const campaign = result.round.split('.')[0];
    // The claim is the receipt of a win. It is kept until the wallet shows the coins.
    if (result.coins > 0) store.set(`claim.${user}/${result.round}`, { round: result.round, campaign, coins: result.coins, claim: result.claim, at: Date.now() });
    store.remove(key);
    return result;
  }
}

/** Whether an answer is the result of this end, and not somebody else's JSON. */
const isResult = ({ status, body }, end) => status === 200 && typeof body?.round === 'string' && body.number === end.number && Number.isInteger(body.coins);
