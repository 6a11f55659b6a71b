// What happens in a campaign, as it happens: the stream of GET /v1/live, or polling where the stream can't be held.
// The stream is read with fetch, since EventSource sends no headers and a token never stands in a URL.

import { backoff, nap, Problem } from './http.js';

const silenceMS = 30_000; // the server says something every 15 s at least
const noStream = [404, 405, 406, 501]; // an old server, or something between that knows better
const brokenStreams = 3; // in a row, before we poll
const streamAgainMS = 60_000; // while polling, how often the stream is tried again
const pollMS = 2_000;
const hiddenPollMS = 15_000; // nobody is looking
const inboxPolls = 5; // the inbox every so many polls: notices may be seconds late

/** Follows a campaign. handlers: pool, stage, board, notice, mode ('stream' or 'poll'). Gives close(). */
export function follow(session, campaign, handlers) {
  const stop = new AbortController();
  const run = new Follower(session, campaign, handlers, stop.signal);
  run.go().catch((err) => {
    if (!stop.signal.aborted) handlers.error?.(err);
  });
  return { close: () => stop.abort() };
}

class Follower {
  #lastID = '';
  #broken = 0;
  #etag = '';

  constructor(session, campaign, handlers, signal) {
    Object.assign(this, { session, campaign, handlers, signal });
  }

  async go() {
    while (!this.signal.aborted) {
      const refused = await this.#stream();
      this.signal.throwIfAborted();
      if (refused || this.#broken >= brokenStreams) await this.#poll(refused ? streamAgainMS * 5 : streamAgainMS);
      else await nap(backoff(this.#broken, { baseMS: 1000 }), this.signal);
    }
  }

  /** Reads one stream to its end. Tells whether the server has none to give. */
  async #stream() {
    if (!this.session.token) return true;
    const stop = new AbortController();
    const cancel = () => stop.abort();
    this.signal.addEventListener('abort', cancel);
    let dog;
    const alive = () => {
      clearTimeout(dog);
      dog = setTimeout(cancel, silenceMS);
    };
    try {
      alive();
      const headers = { Accept: 'text/event-stream', Authorization: `Bearer ${this.session.token}` };
      if (this.#lastID) headers['Last-Event-ID'] = this.#lastID;
      const { door } = this.session;
      const url = `${door.url}/v1/live?campaign=${encodeURIComponent(this.campaign)}`;
      const answer = await door.fetch(url, { headers, signal: stop.signal, cache: 'no-store', credentials: 'omit' });
      const streams = (answer.headers.get('Content-Type') ?? '').startsWith('text/event-stream');
      if (!answer.ok || !streams || !answer.body) {
        cancel();
        this.#broken++;
        return noStream.includes(answer.status);
      }
      this.handlers.mode?.('stream');
      for await (const event of events(answer.body, alive)) {
        this.#broken = 0;
        if (event.id) this.#lastID = event.id;
        this.#tell(event.event, event.data);
      }
    } catch {
      // broken off; counted below
    } finally {
      clearTimeout(dog);
      this.signal.removeEventListener('abort', cancel);
    }
    this.#broken++;
    return false;
  }

  #tell(name, data) {
    try {
      this.handlers[name]?.(JSON.parse(data));
    } catch (err) {
      this.handlers.error?.(err);
    }
  }

  /** Asks again and again for a while, then the stream gets another chance. */
  async #poll(forMS) {
    this.handlers.mode?.('poll');
    const until = Date.now() + forMS;
    for (let tries = 0, failed = 0; Date.now() < until; tries++) {
      try {
        await this.#pollCampaign();
        if (this.session.token && tries % inboxPolls === 0) await this.#pollInbox();
        failed = 0;
      } catch (problem) {
        this.signal.throwIfAborted();
        if (!(problem instanceof Problem)) throw problem;
        failed++;
      }
      const hidden = globalThis.document?.visibilityState === 'hidden';
      const pauseMS = (hidden ? hiddenPollMS : pollMS) * (0.75 + Math.random() / 2);
      await nap(pauseMS + (failed ? backoff(failed) : 0), this.signal);
    }
    this.#broken = 0;
  }

  async #pollCampaign() {
    const { campaign, etag } = await this.session.campaign(this.campaign, { etag: this.#etag, signal: this.signal });
    this.#etag = etag;
    if (!campaign) return;
    this.handlers.pool?.({ campaign: campaign.id, ...campaign.pool });
    this.handlers.stage?.({ campaign: campaign.id, stage: campaign.stage, version: campaign.version, details: campaign });
  }

  async #pollInbox() {
    const { notices } = await this.session.inbox({ signal: this.signal });
    for (const notice of notices.reverse()) if (!notice.receipted_at) this.handlers.notice?.(notice);
  }
}

/** The events of a stream in the format of server-sent events, WHATWG HTML 9.2. */
export async function* events(stream, alive = () => {}) {
  const reader = stream.getReader();
  const text = new TextDecoder();
  let rest = '';
  let event = { event: 'message', data: [], id: '' };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      rest += text.decode(value, { stream: true });
      // A lone CR at the end may be half a CRLF, so it waits for the next piece.
      for (let at; (at = /\r\n|\n|\r(?!$)/.exec(rest)); ) {
        const line = rest.slice(0, at.index);
        rest = rest.slice(at.index + at[0].length);
        if (line === '') {
          if (event.data.length) yield { event: event.event, id: event.id, data: event.data.join('\n') };
          event = { event: 'message', data: [], id: event.id };
          continue;
        }
        const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (name === 'event') event.event = value;
        else if (name === 'id') event.id = value;
        else if (name === 'data') event.data.push(value);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
