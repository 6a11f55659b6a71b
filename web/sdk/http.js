// Calls to the players' door: JSON both ways, problems as errors, a bound on every wait.

/** What the server, or the way to it, answered instead of what was asked for. Its code is stable, see docs/openapi.yaml;
 * the SDK adds `offline` (no answer at all) and `unreadable` (an answer that is not ours, as from a captive portal or a
 * proxy, whatever its status). Both have the status 0: the server has said nothing. */
export class Problem extends Error {
  constructor(status, body, retryAfterMS) {
    super(body.detail || body.title || body.code);
    this.name = 'Problem';
    this.status = status;
    this.code = body.code;
    this.detail = body.detail ?? '';
    this.requestID = body.request_id ?? '';
    this.nextNumber = body.next_number;
    this.retryAfterMS = retryAfterMS;
  }

  /** Whether the same call may well be answered otherwise in a moment. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

const answerMS = 10_000; // a phone on a bad network; the server itself answers or sheds within 2 s

export class Door {
  constructor(url, fetcher = globalThis.fetch.bind(globalThis)) {
    this.url = url.replace(/\/+$/, '');
    this.fetch = fetcher;
  }

  /** Told of the server's time in an answer that no cache has kept, and when it was asked for and came, by performance.now(). */
  onDate() {}

  /** One call. Gives {status, headers, body}; throws a Problem for everything from 400 on. What is the same for everybody
   * (shared) may come from a cache of the browser or of a CDN, and is asked for again the way those know; past them with
   * cache 'no-cache'. */
  async call(method, path, { token, body, headers, signal, shared = false, cache = shared ? 'default' : 'no-store' } = {}) {
    const head = { Accept: 'application/json', ...headers };
    if (token) head.Authorization = `Bearer ${token}`;
    if (body !== undefined) head['Content-Type'] = 'application/json';
    const stop = new AbortController();
    const cancel = () => stop.abort();
    signal?.addEventListener('abort', cancel);
    const timer = setTimeout(cancel, answerMS);
    const from = performance.now();
    try {
      const answer = await this.fetch(this.url + path, { method, headers: head, body, signal: stop.signal, cache, credentials: 'omit' });
      const came = performance.now();
      const text = await answer.text();
      return this.#read(answer, text, () => cache === 'no-store' && this.onDate(Date.parse(answer.headers.get('Date') ?? ''), from, came));
    } catch (err) {
      if (err instanceof Problem) throw err;
      signal?.throwIfAborted();
      throw new Problem(0, { code: 'offline', detail: String(err) }, 0);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #read(answer, text, ourTime) {
    const retryAfterMS = 1000 * (Number(answer.headers.get('Retry-After')) || 0);
    const unreadable = () => new Problem(0, { code: 'unreadable', detail: `${answer.status} ${answer.headers.get('Content-Type') ?? ''}` }, retryAfterMS);
    let body = null;
    try {
      if (text) body = JSON.parse(text);
    } catch {
      throw unreadable();
    }
    // Only a problem of ours says something about the call; anybody on the way can answer with a 403.
    const ours = (answer.headers.get('Content-Type') ?? '').startsWith('application/problem+json') && typeof body?.code === 'string';
    if (body && (ours || answer.status < 400)) ourTime();
    if (answer.status >= 400) throw ours ? new Problem(answer.status, body, retryAfterMS) : unreadable();
    return { status: answer.status, headers: answer.headers, body, retryAfterMS };
  }
}

/** How long to wait before the next try: what the server asked for, and on top a random part that doubles with each try,
 * so that those who failed together don't come back together. */
export function backoff(tries, { baseMS = 500, capMS = 15_000, afterMS = 0, random = Math.random } = {}) {
  return afterMS + random() * Math.min(capMS, baseMS * 2 ** tries);
}

/** Makes a call again while what is in its way passes, so many tries at most; onWait hears of each problem. */
export async function persist(call, { tries, onWait, signal, ...pauses }) {
  for (let n = 0; ; n++) {
    try {
      return await call(n);
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.passes || n >= tries - 1) throw problem;
      onWait?.(problem.code);
      await nap(backoff(n, { afterMS: problem.retryAfterMS, ...pauses }), signal, problem.retryAfterMS);
    }
  }
}

/** Sleeps, or wakes early when the network comes back; tells whether it did. Nothing but the signal ends it before leastMS:
 * what a server asked for holds for who was offline, too. */
export function nap(ms, signal, leastMS = 0) {
  const began = performance.now();
  let came = false;
  return new Promise((resolve, reject) => {
    const wake = (event) => {
      came ||= event?.type === 'online';
      clearTimeout(timer);
      const rest = leastMS - (performance.now() - began);
      if (event?.type === 'online' && rest > 0) return void (timer = setTimeout(wake, rest));
      globalThis.removeEventListener?.('online', wake);
      signal?.removeEventListener('abort', wake);
      signal?.aborted ? reject(signal.reason) : resolve(came);
    };
    let timer = setTimeout(wake, ms);
    globalThis.addEventListener?.('online', wake);
    signal?.addEventListener('abort', wake);
    if (signal?.aborted) wake();
  });
}
