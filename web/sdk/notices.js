// Notices are shown once: not again after a reload, and not in two tabs. They come again until their receipt is in, so
// whoever shows them has to remember; one that comes again after it was shown says that its receipt was lost, so that is
// sent again.

import { backoff, nap, Problem } from './http.js';

const askMS = 80; // tabs of one browser hear each other well within
const remember = 200; // ids; the server stops pushing one after some minutes
const receiptTries = 6;

export class Notices {
  #session;
  #show;
  #tab = Math.random();
  #taken = new Set(); // shown here or in another tab
  #holding = new Set(); // to be shown here, and not yet shown
  #asking = new Map(); // id -> the lowest tab that wants it
  #waiting = new Map(); // id -> notice, until somebody looks
  #channel;
  #closed = false;
  #sending = new Set(); // ids whose receipt is on its way

  /** show(notice) puts a notice before the player's eyes; it is called when the page is visible. Where that takes a while it
   * gives a promise, and false where nobody can have read it: it is then shown when it comes again. */
  constructor(session, show) {
    this.#session = session;
    this.#show = show;
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel('shake.notices');
      this.#channel.onmessage = ({ data }) => this.#hear(data);
    }
    globalThis.document?.addEventListener('visibilitychange', () => this.#look());
  }

  /** Takes a notice as it came, from the stream or from the inbox. */
  async take(notice) {
    if (notice.receipted_at || this.#asking.has(notice.id) || this.#holding.has(notice.id)) return false;
    if (this.#seen(notice.id)) {
      this.#receipt(notice.id);
      return false;
    }
    if (globalThis.document && document.visibilityState !== 'visible') {
      this.#waiting.set(notice.id, notice);
      return false;
    }
    if (!(await this.#mine(notice.id))) return false;
    this.#holding.add(notice.id);
    const shown = (await this.#show(notice)) !== false && !this.#closed;
    this.#holding.delete(notice.id);
    if (!shown) return false;
    this.#keep(notice.id);
    this.#receipt(notice.id);
    return true;
  }

  /** Shows nothing any more. */
  close() {
    this.#closed = true;
    this.#channel?.close();
  }

  #look() {
    if (document.visibilityState !== 'visible') return;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const notice of waiting) this.take(notice);
  }

  #key() {
    return `shown.${this.#session.user}`;
  }

  #seen(id) {
    return this.#taken.has(id) || (this.#session.store.get(this.#key()) ?? []).includes(id);
  }

  /** Settles with the other tabs who shows it: who has it already, else the lowest number of all that want it. */
  async #mine(id) {
    this.#asking.set(id, this.#tab);
    if (this.#channel) {
      this.#channel.postMessage({ want: id, tab: this.#tab });
      await new Promise((resolve) => setTimeout(resolve, askMS));
    }
    const lowest = this.#asking.get(id);
    this.#asking.delete(id);
    return !this.#closed && lowest === this.#tab && !this.#seen(id);
  }

  #keep(id) {
    this.#taken.add(id);
    this.#channel?.postMessage({ shown: id });
    const shown = (this.#session.store.get(this.#key()) ?? []).filter((one) => one !== id);
    this.#session.store.set(this.#key(), [...shown, id].slice(-remember));
  }

  #hear({ want, tab, shown, held }) {
    if (shown) this.#taken.add(shown);
    if (this.#asking.has(held)) this.#asking.set(held, -Infinity);
    if (!want) return;
    if (this.#holding.has(want)) this.#channel.postMessage({ held: want });
    else if (this.#asking.has(want)) this.#asking.set(want, Math.min(tab, this.#asking.get(want)));
    else if (this.#taken.has(want)) this.#channel.postMessage({ shown: want });
  }

  async #receipt(id) {
    if (this.#sending.has(id)) return;
    this.#sending.add(id);
    await this.#deliver(id);
    this.#sending.delete(id);
  }

  async #deliver(id) {
    for (let tries = 0; tries < receiptTries; tries++) {
      try {
        await this.#session.receipt(id);
        return;
      } catch (problem) {
        if (!(problem instanceof Problem) || !problem.passes) return;
        await nap(backoff(tries, { baseMS: 1000, capMS: 60_000, afterMS: problem.retryAfterMS }), undefined, problem.retryAfterMS);
      }
    }
  }
}
