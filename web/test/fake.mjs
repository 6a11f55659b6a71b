// A server for the SDK's tests: a function that answers, and what it was asked.

export function fake(answer) {
  const calls = [];
  const fetch = async (url, options = {}) => {
    const call = { method: options.method ?? 'GET', path: url.replace(/^http:\/\/shake/, ''), body: options.body, headers: options.headers ?? {}, signal: options.signal };
    calls.push(call);
    return answer(call, calls.length);
  };
  return { fetch, calls };
}

export const json = (status, body, headers = {}) => new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

export const problem = (status, code, headers) => json(status, { status, code, title: code, detail: '', request_id: 'x' }, { 'Content-Type': 'application/problem+json', ...headers });

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
