// A server for the SDK's tests: a function that answers, and what it was asked.

export function fake(answer) {
  const calls = [];
  const fetch = async (url, options = {}) => {
    const call = { method: options.method ?? 'GET', path: url.replace(/^http:\/\/shake/, ''), body: options.body, headers: options.headers ?? {}, signal: options.signal, cache: options.cache };
    calls.push(call);
    return answer(call, calls.length);
  };
  return { fetch, calls };
}

export const json = (status, body, headers = {}) => new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

export const problem = (status, code, headers) => json(status, { status, code, title: code, detail: '', request_id: 'x' }, { 'Content-Type': 'application/problem+json', ...headers });

/** A server that pushes notices to every open stream until their receipts are in, on a network that loses a part of the
 * pushes and of the receipts: those vanish on the way, though the page is told that they arrived. */
export function pusher(many, { loses, pushes, everyMS, seed }) {
  const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648);
  const all = Array.from({ length: many }, (_, i) => ({ id: `n${i}`, kind: 'win', campaign: 'demo', round: `demo.1.1.ann.${i}`, title: '', body: '', params: {}, at: '', receipted_at: null }));
  const state = { turns: 0, receipted: new Set(), lost: 0 };
  const streams = new Set();
  const push = () => {
    for (const notice of all) {
      if (state.receipted.has(notice.id)) continue;
      for (const stream of streams) if (random() >= loses) stream.enqueue(new TextEncoder().encode(`event: notice\ndata: ${JSON.stringify(notice)}\n\n`));
    }
    if (++state.turns === pushes) clearInterval(timer);
  };
  const timer = setInterval(push, everyMS);
  const { fetch } = fake(({ path, signal }) => {
    if (path === '/v1/sessions') return json(200, { token: 'T', user: 'ann', market: 'SG', expires_at: '2999-01-01T00:00:00.000Z' });
    const id = /^\/v1\/inbox\/(\w+)\/receipt$/.exec(path)?.[1];
    if (id) {
      random() < loses ? state.lost++ : state.receipted.add(id);
      return new Response(null, { status: 204 });
    }
    let mine;
    const body = new ReadableStream({ start: (stream) => void streams.add((mine = stream)), cancel: () => void streams.delete(mine) });
    signal?.addEventListener('abort', () => streams.delete(mine) && mine.error(signal.reason));
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  });
  return Object.assign(state, { fetch });
}

/** localStorage, as far as the SDK uses it. */
export function storage() {
  const map = new Map();
  return {
    get length() {
      return map.size;
    },
    key: (i) => [...map.keys()][i],
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
  };
}
