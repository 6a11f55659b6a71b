import assert from 'node:assert/strict';
import test from 'node:test';

import { Claims, connect, Session } from '../sdk/client.js';
import { backoff, nap } from '../sdk/http.js';
import { events } from '../sdk/live.js';
import { Notices } from '../sdk/notices.js';
import { fake, json, problem, pusher, storage } from './fake.mjs';

// The window's events, which node has not.
const page = new EventTarget();
for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent']) globalThis[name] ??= page[name].bind(page);

// The browser's locks, where node has none.
let last = Promise.resolve();
const locks = { request: (_, fn) => (last = last.then(fn, fn)) };
if (!globalThis.navigator?.locks) Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });

const session = { token: 'T', user: 'ann', market: 'SG', expires_at: '2999-01-01T00:00:00.000Z' };
const result = { round: 'demo.1.1.ann.1', number: 1, coins: 20, total: 20, prize: null, chances_left: 4, claim: 'C', settled_at: '2026-11-11T12:00:00.000Z' };

async function logged(answer, keep = storage()) {
  const server = fake((call, n) => (call.path === '/v1/sessions' ? json(200, session) : answer(call, n)));
  const one = await connect({ url: 'http://shake', provider: 'dev', credential: 'ann', market: 'SG', fetch: server.fetch, storage: keep });
  return { session: one, keep, ends: () => server.calls.filter((c) => c.path.endsWith('/end')), calls: server.calls };
}

test('an end is stored before it is sent, and no more when it is answered', async () => {
  let stored;
  const keep = storage();
  const { session: s } = await logged((call) => {
    if (call.path.endsWith('/end')) stored = keep.getItem('shake.end.ann/demo/1');
    return json(200, result);
  }, keep);
  assert.deepEqual(await s.end('demo', 1, 'R', 60, [1, 2]), result);
  assert.match(stored, /"shakes\\":60/);
  assert.equal(keep.getItem('shake.end.ann/demo/1'), null);
  assert.match(keep.getItem('shake.claim.ann/demo.1.1.ann.1'), /"claim":"C"/);
});

test('an end is sent again, byte for byte, until it is answered', async () => {
  const waits = [];
  const troubles = [() => problem(503, 'busy'), () => json(202, { number: 1, status: 'pending' }), () => { throw new TypeError('no network'); }, () => problem(500, 'internal'), () => json(200, result)];
  const { session: s, ends } = await logged((call) => (call.path.endsWith('/end') ? troubles.shift()() : json(404)));
  assert.deepEqual(await s.end('demo', 1, 'R', 60, undefined, { onWait: (why) => waits.push(why) }), result);
  assert.equal(ends().length, 5);
  assert.equal(new Set(ends().map((c) => c.body)).size, 1, 'one body');
  assert.ok(waits.includes('pending') && waits.includes('offline'), `told of ${waits}`);
});

test('what is not ours on the way is a wait: the end stays stored and goes on being sent', async () => {
  const html = (status) => () => new Response('<html>Sign in to the Wi-Fi</html>', { status, headers: { 'Content-Type': 'text/html' } });
  const troubles = [html(403), html(401), html(511), html(200), () => new Response(null, { status: 204 }), () => new Response('', { status: 403 }), () => json(200, { ok: true }),
    () => json(200, null), () => json(404, { code: 'not_found' }), () => json(403, { error: 'blocked' }), () => problem(418, 'of_a_later_version'), () => problem(403, 'forbidden')];
  const all = troubles.length;
  const keep = storage();
  const waits = [];
  const kept = [];
  const { session: s, ends, calls } = await logged((call) => {
    kept.push(Boolean(keep.getItem('shake.end.ann/demo/1')));
    return troubles.length ? troubles.shift()() : json(200, result);
  }, keep);
  const sent = s.end('demo', 1, 'R', 60, undefined, { onWait: (why) => waits.push(why) });
  const hurry = setInterval(() => dispatchEvent(new Event('online')), 5); // waits end early
  assert.deepEqual(await sent, result);
  clearInterval(hurry);
  assert.equal(ends().length, all + 1);
  assert.ok(kept.every(Boolean), 'stored until it is answered');
  assert.equal(calls.filter((c) => c.path === '/v1/sessions').length, 1, "a portal's 401 logs nobody out");
  assert.ok(waits.includes('unreadable'));
});

test('an end that an earlier page left is sent by the next one, with its body', async () => {
  const keep = storage();
  keep.setItem('shake.end.ann/demo/3', JSON.stringify({ campaign: 'demo', number: 3, token: 'R', body: '{"token":"R","shakes":9}', at: Date.now(), until: 7 }));
  keep.setItem('shake.end.bob/demo/3', JSON.stringify({ campaign: 'demo', number: 3, token: 'B', body: '{}', at: Date.now() }));
  keep.setItem('shake.end.ann/demo/1', JSON.stringify({ campaign: 'demo', number: 1, token: 'O', body: '{}', at: Date.now() - 30 * 24 * 3600_000 }));
  const { session: s, ends } = await logged(() => json(200, { ...result, number: 3 }), keep);
  const left = s.ends.resume();
  assert.deepEqual(left.map((one) => [one.campaign, one.number, one.until]), [['demo', 3, 7]], 'mine, and none that is a month old');
  assert.equal((await left[0].result).number, 3);
  assert.equal(ends()[0].body, '{"token":"R","shakes":9}');
});

test('two tabs that end one round send one body', async () => {
  const keep = storage();
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  const { session: s, ends } = await logged(() => answered.then(() => json(200, result)), keep);
  const other = new Session({ url: 'http://shake', fetch: s.door.fetch, storage: keep });
  assert.ok(other.resume());
  const both = [s.end('demo', 1, 'R', 60), other.end('demo', 1, 'R', 7)];
  answer();
  await Promise.all(both);
  assert.equal(new Set(ends().map((c) => c.body)).size, 1);
});

test('a no is final, a conflict gives the result that counts, a lost session keeps the end', async () => {
  const keep = storage();
  const { session: s } = await logged((call) => {
    if (call.method === 'GET') return json(200, { ...result, number: 2 });
    if (call.path.includes('/rounds/1/')) return problem(409, 'too_late');
    if (call.path.includes('/rounds/2/')) return problem(409, 'conflicting_repeat');
    return problem(401, 'session_expired');
  }, keep);
  await assert.rejects(s.end('demo', 1, 'R', 1), { code: 'too_late' });
  assert.equal((await s.end('demo', 2, 'R', 1)).number, 2);
  await assert.rejects(s.end('demo', 3, 'R', 1), { status: 401 });
  assert.deepEqual(s.ends.pending().map((end) => end.number), [3]);
});

test('a claim stays until the wallet shows its coins', async () => {
  let entries = [];
  const { session: s } = await logged((call) => (call.path.startsWith('/v1/wallet') ? json(200, { balance: 0, entries, next: null }) : json(200, result)));
  await s.end('demo', 1, 'R', 60);
  assert.deepEqual((await s.claims()).map((c) => c.claim), ['C']);
  entries = [{ round: result.round }];
  assert.deepEqual(await s.claims(), []);
});

const claimsOf = (keep, ...claims) => claims.forEach((c) => keep.setItem(`shake.claim.ann/${c.round}`, JSON.stringify({ campaign: 'demo', coins: 5, ...c })));

test('a claim that the wallet lacks for long is sent, kept when granted, dropped when the ledger has it', async () => {
  const keep = storage();
  const answers = { old: ['pending', 'granted', 'granted', 'already_granted'] };
  const { session: s, calls } = await logged((call) => {
    if (call.path.startsWith('/v1/wallet')) return json(200, { balance: 0, entries: [], next: null });
    const status = answers[JSON.parse(call.body).claim].shift();
    return status === 'pending' ? json(202, { status }) : json(200, { status, coins: 5 });
  }, keep);
  claimsOf(keep, { round: 'demo.1.1.ann.1', claim: 'old', at: Date.now() - 60_000 }, { round: 'demo.1.1.ann.2', claim: 'young', at: Date.now() });
  const told = [];
  const claims = new Claims(s, (open, looks) => told.push([looks, ...open.map((c) => `${c.claim} ${c.state}`)]));
  claims.watch([5, 5, 5, 5, 5]);
  await until(() => told.length === 5);
  assert.deepEqual(told, [
    [1, 'old asked', 'young waiting'], [2, 'old paid', 'young waiting'], [3, 'old paid', 'young waiting'], [4, 'old paid', 'young waiting'], [5, 'young waiting'],
  ]);
  assert.equal(keep.getItem('shake.claim.ann/demo.1.1.ann.1'), null);
  assert.deepEqual(calls.filter((c) => c.path === '/v1/claims').map((c) => c.body), Array(4).fill('{"claim":"old"}'));
});

test('a claim that can not be paid is told of, and sent no more where nothing will ever pay it', async () => {
  const keep = storage();
  const { session: s, calls } = await logged((call) => {
    if (call.path.startsWith('/v1/wallet')) return json(200, { balance: 0, entries: [], next: null });
    if (call.body.includes('dry')) return problem(409, 'pool_empty');
    return call.body.includes('late') ? problem(409, 'not_live') : problem(503, 'busy');
  }, keep);
  const at = Date.now() - 60_000;
  claimsOf(keep, { round: 'demo.1.1.ann.1', claim: 'dry', at }, { round: 'demo.1.1.ann.2', claim: 'late', at }, { round: 'demo.1.1.ann.3', claim: 'busy', at },
    { round: 'demo.1.1.ann.4', claim: 'ancient', at: at - 30 * 24 * 3600_000 });
  let told;
  let looks = 0;
  const claims = new Claims(s, (open, n) => ([told, looks] = [open.map((c) => `${c.claim} ${c.state}`), n]));
  claims.watch([5, 5, 5]);
  await until(() => looks === 3);
  claims.close();
  assert.deepEqual(told, ['dry empty', 'late over', 'busy waiting']);
  const sent = calls.filter((c) => c.path === '/v1/claims').map((c) => JSON.parse(c.body).claim);
  assert.deepEqual(['dry', 'late', 'busy', 'ancient'].map((one) => sent.filter((c) => c === one).length), [3, 1, 3, 0]);
});

test('a stored session is used again by who it belongs to, and renewed when it is over', async () => {
  const { keep, calls } = await logged(() => json(200, {}));
  const server = fake((call, n) => (call.path === '/v1/sessions' ? json(200, { ...session, token: 'U' }) : n <= 2 ? problem(401, 'session_expired') : json(200, { chances_left: 1 })));
  const again = await connect({ url: 'http://shake', provider: 'dev', credential: 'ann', market: 'SG', fetch: server.fetch, storage: keep });
  assert.equal(again.token, 'T');
  assert.equal(server.calls.length, 0);
  assert.equal(calls.length, 1);
  assert.equal((await again.me('demo')).chances_left, 1);
  assert.deepEqual(server.calls.map((c) => c.path + ' ' + c.headers.Authorization), [
    '/v1/campaigns/demo/me Bearer T', '/v1/sessions/renew Bearer T', '/v1/sessions undefined', '/v1/campaigns/demo/me Bearer U',
  ]);
  const bob = await connect({ url: 'http://shake', provider: 'dev', credential: 'bob', market: 'SG', fetch: server.fetch, storage: keep });
  assert.equal(bob.token, 'U');
});

const kept = (stored) => {
  const keep = storage();
  keep.setItem('shake.session', JSON.stringify(stored));
  return keep;
};
const inMS = (ms) => new Date(Date.now() + ms).toISOString();

test('a session is renewed before it is over, once for all tabs', async () => {
  const keep = storage();
  let renewals = 0;
  const server = fake(({ path }) => {
    if (path === '/v1/sessions') return json(200, { ...session, expires_at: inMS(60_400) });
    if (path === '/v1/sessions/renew') return sleep(20).then(() => json(200, { ...session, token: `R${++renewals}`, expires_at: inMS(3600_000) }));
    return json(200, {});
  });
  const login = { url: 'http://shake', provider: 'acme', credential: 'secret', market: 'SG', fetch: server.fetch, storage: keep };
  const one = await connect(login);
  const { expires_at: until, ...stored } = JSON.parse(keep.getItem('shake.session'));
  keep.setItem('shake.session', JSON.stringify({ ...stored, expires_at: until, since: Date.now() - 119_600 })); // of a life of 180 s a third is left in 0.4 s
  const tabs = [0, 1, 2].map(() => new Session({ url: 'http://shake', fetch: server.fetch, storage: keep }));
  for (const tab of tabs) assert.ok(tab.resume());
  await sleep(100);
  await Promise.all(tabs.map((tab) => tab.me('demo'))); // whoever is asked first, renews
  await sleep(500);
  await Promise.all(tabs.map((tab) => tab.me('demo')));
  assert.deepEqual(tabs.map((tab) => tab.token), ['R1', 'R1', 'R1'], `${renewals} renewals`);
  assert.equal(await one.renew(), true);
  assert.equal(one.token, 'R1');
  assert.ok(!keep.getItem('shake.session').includes('secret'));
});

test('a session that the server calls expired is renewed once, and where it can\'t be, the problem is told', async () => {
  let lifetimeOver = false;
  const server = fake(({ path, headers }) => {
    if (path === '/v1/sessions') return json(200, session);
    if (path === '/v1/sessions/renew') return lifetimeOver ? problem(401, 'session_expired') : json(200, { ...session, token: 'R' });
    return headers.Authorization === 'Bearer R' && !lifetimeOver ? json(200, { chances_left: 3 }) : problem(401, 'session_expired');
  });
  const s = await connect({ url: 'http://shake', provider: 'acme', credential: 'x', market: 'SG', fetch: server.fetch, storage: storage() });
  const both = await Promise.all([s.me('demo'), s.me('demo')]);
  assert.deepEqual(both.map((me) => me.chances_left), [3, 3]);
  assert.equal(server.calls.filter((c) => c.path === '/v1/sessions/renew').length, 1);
  lifetimeOver = true;
  const later = new Session({ url: 'http://shake', fetch: server.fetch, storage: kept(s.store.get('session')) });
  assert.ok(later.resume());
  await assert.rejects(later.me('demo'), { code: 'session_expired' });
  assert.equal(later.provider, 'acme', 'the page knows which app to send the player to');
});

test('a login tells the browser\'s device, one and the same, unless the host wants another or none', async () => {
  const keep = storage();
  const { calls } = await logged(() => json(200, {}), keep);
  const { device } = JSON.parse(calls[0].body);
  assert.match(device, /^[0-9a-f]{32}$/);
  const again = await (async () => {
    keep.removeItem('shake.session');
    return logged(() => json(200, {}), keep);
  })();
  assert.equal(JSON.parse(again.calls[0].body).device, device);
  for (const [option, sent] of [['phone-7', 'phone-7'], ['', undefined]]) {
    const server = fake(() => json(200, session));
    await connect({ url: 'http://shake', provider: 'dev', credential: 'ann', market: 'SG', fetch: server.fetch, storage: storage(), device: option });
    assert.equal(JSON.parse(server.calls[0].body).device, sent);
  }
});

test('the clock is within 50 ms of the server on a network that stalls', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const ahead = 3_600_000 * (seed - 3);
    let n = seed;
    const server = fake(async () => {
      n++;
      await sleep(5 + (n % 3) * 30);
      const at = Date.now() + ahead;
      await sleep(5 + (n % 4) * 60);
      return json(200, { server_time: new Date(at).toISOString() });
    });
    const s = new Session({ url: 'http://shake', fetch: server.fetch, storage: storage() });
    await s.clock.sync();
    const skew = Math.abs(s.clock.now() - Date.now() - ahead);
    assert.ok(skew <= 50 && skew <= s.clock.errorMS + 2, `skew ${skew} ms, told ${s.clock.errorMS} ms`);
  }
});

test('the clock does not jump with the device\'s, and is measured anew after a step or a sleep', async () => {
  const { now: wall } = Date;
  const { now: steady } = performance;
  const really = () => steady.call(performance) + 5000;
  const server = fake(() => json(200, { server_time: new Date(1.8e12 + really()).toISOString() }));
  const s = new Session({ url: 'http://shake', fetch: server.fetch, storage: storage() });
  await s.clock.sync(1);
  const off = () => Math.abs(s.clock.now() - 1.8e12 - really());
  assert.ok(off() < 20, `${off()} ms off`);
  try {
    const asked = server.calls.length;
    Date.now = () => wall() - 3600_000; // somebody sets the time
    for (let i = 0; i < 20; i++) assert.ok(off() < 20, `${off()} ms off after the step`);
    await until(() => server.calls.length === asked + 3);
    await sleep(20);
    let slept = 30_000; // the monotonic clock stood still
    performance.now = () => steady.call(performance) - slept;
    s.clock.now();
    await until(() => server.calls.length >= asked + 6);
    await sleep(20);
    assert.ok(off() < 20, `${off()} ms off after a sleep`);
    for (let i = 0; i < 20; i++) s.clock.now();
    await sleep(20);
    assert.equal(server.calls.length, asked + 6, 'once for each');
  } finally {
    Date.now = wall;
    delete performance.now;
  }
});

const dated = (answer, at) => (answer.headers.set('Date', new Date(at).toUTCString()), answer);

test('a clock that can not be measured goes by what other answers tell, and is measured as soon as it can be', async () => {
  for (const ahead of [40_000, -40_000]) {
    const server = () => Date.now() + ahead;
    const asked = [];
    const { session: s } = await logged((call) => {
      if (call.path !== '/v1/time') return dated(json(200, {}), server());
      asked.push(performance.now());
      return asked.length < 3 ? problem(503, 'overloaded', { 'Retry-After': '1' }) : json(200, { server_time: new Date(server()).toISOString() });
    });
    const off = () => Math.abs(s.clock.now() - server());
    assert.ok(!s.clock.known && off() > 39_000);
    await s.clock.sync(2);
    assert.equal(asked.length, 1, 'who is told to wait asks no more now');
    await s.me('demo');
    assert.ok(s.clock.known && !s.clock.exact && off() <= 1000, `${off()} ms off by a Date`);
    await until(() => s.clock.exact);
    assert.ok(off() < 50, `${off()} ms off`);
    await until(() => asked.length === 4);
    for (const i of [1, 2]) assert.ok(asked[i] - asked[i - 1] >= 1000, 'the server asked for 1 s');
    await s.me('demo');
    assert.ok(off() < 50, 'a Date is not taken for a sample');
  }
});

test('the time in what caches keep, and what is not ours, tells nothing of the clock', async () => {
  const long = Date.now() - 3600_000;
  const { session: s } = await logged((call) => (call.path.endsWith('/me') ? dated(new Response('<html>', { status: 200 }), long) : dated(json(200, { campaigns: [], id: 'demo' }), long)));
  await s.campaign('demo');
  await s.me('demo').catch(() => {});
  assert.ok(!s.clock.known && Math.abs(s.clock.offsetMS) < 5);
});

test('samples that never come are asked for some times, and no more', async () => {
  const { setTimeout: real } = globalThis;
  const { session: s, calls } = await logged(() => problem(503, 'busy'));
  globalThis.setTimeout = (fn, ms, ...more) => real(fn, ms === 10_000 ? ms : 0, ...more);
  try {
    await Promise.all([s.clock.sync(), s.clock.sync()]);
    await new Promise((resolve) => real(resolve, 300));
    assert.equal(calls.filter((c) => c.path === '/v1/time').length, 5 + 5 + 20);
  } finally {
    globalThis.setTimeout = real;
  }
});

test('the stream is parsed however it is cut', async () => {
  const text = ': hello\r\n\r\nid: 7\r\nevent: pool\r\ndata: {"left":\r\ndata: 1}\r\n\r\nevent: stage\ndata: {}\n\n\nid: 8\rdata: é\r\rdata: lost';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 3, 7, 1000]) {
    const stream = new ReadableStream({
      start(c) {
        for (let i = 0; i < bytes.length; i += size) c.enqueue(bytes.slice(i, i + size));
        c.close();
      },
    });
    const got = [];
    for await (const event of events(stream)) got.push(event);
    assert.deepEqual(got, [
      { event: 'pool', id: '7', data: '{"left":\n1}' },
      { event: 'stage', id: '7', data: '{}' },
      { event: 'message', id: '8', data: 'é' },
    ], `in pieces of ${size}`);
  }
});

test('a stream that breaks is taken up behind its last event', async () => {
  const streams = ['id: 1\nevent: pool\ndata: {"left":9}\n\n', 'id: 2\nevent: pool\ndata: {"left":8}\n\n'];
  const { session: s, calls } = await logged((call) => (call.path.startsWith('/v1/live') && streams.length ? new Response(streams.shift(), { headers: { 'Content-Type': 'text/event-stream' } }) : problem(503, 'overloaded')));
  const left = [];
  await new Promise((resolve) => {
    const live = s.live('demo', { pool: (pool) => left.push(pool.left) === 2 && (live.close(), resolve()) });
  });
  const asked = calls.filter((c) => c.path.startsWith('/v1/live'));
  assert.deepEqual(left, [9, 8]);
  assert.deepEqual(asked.map((c) => c.headers['Last-Event-ID']), [undefined, '1']);
  assert.ok(asked.every((c) => c.headers.Authorization === 'Bearer T' && !c.path.includes('T')), 'the token is in the header alone');
});

test('without a stream it polls by way of caches, and tells only what has changed', async () => {
  const { session: s, calls } = await logged((call) => {
    if (call.path.startsWith('/v1/live')) return problem(404, 'not_found');
    if (call.path.startsWith('/v1/inbox')) return json(200, { notices: [{ id: 'n1', receipted_at: null }, { id: 'n0', receipted_at: 'x' }], next: null });
    return json(200, { id: 'demo', stage: 'live', version: 1, pool: { left: 5 } }, { ETag: '"a"' });
  });
  const told = [];
  const live = s.live('demo', { mode: (m) => told.push(m), pool: (p) => told.push(p.left), notice: (n) => told.push(n.id) });
  await until(() => calls.filter((c) => c.path === '/v1/campaigns/demo').length >= 2);
  live.close();
  assert.deepEqual(told, ['poll', 5, 'n1']);
  const asked = calls.filter((c) => c.path.startsWith('/v1/campaigns/'));
  assert.ok(asked.every((c) => c.cache === 'default' && !('If-None-Match' in c.headers)), 'the browser and a CDN may answer');
  assert.ok(calls.filter((c) => c.path.startsWith('/v1/inbox')).every((c) => c.cache === 'no-store'), "nobody answers for what is one player's");
});

test('a version that an event told of is asked for past the cache, until it is there', async () => {
  const versions = [3, () => problem(503, 'overloaded', { 'Retry-After': '1' }), 2, 4];
  const asked = [];
  const { session: s, calls } = await logged(() => {
    asked.push(Date.now());
    const next = versions.shift();
    return typeof next === 'number' ? json(200, { id: 'demo', version: next, pool: {} }) : next();
  });
  const { campaign } = await s.campaign('demo', { version: 4 });
  assert.equal(campaign.version, 4);
  const mine = calls.filter((c) => c.path === '/v1/campaigns/demo');
  assert.deepEqual(mine.map((c) => c.cache), Array(4).fill('no-cache'));
  assert.ok(asked[2] - asked[1] >= 1000, `${asked[2] - asked[1]} ms after a 503 that asked for 1 s`);
});

test('a version that does not come is asked for some times, apart, and the newest that came is given', async () => {
  const { setTimeout: real } = globalThis;
  const waits = [];
  let n = 0;
  const { session: s, calls } = await logged(() => (++n > 3 ? problem(503, 'busy') : json(200, { id: 'demo', version: n === 2 ? 3 : 2, pool: {} })));
  globalThis.setTimeout = (fn, ms, ...more) => (ms === 10_000 ? real(fn, ms, ...more) : (waits.push(ms), real(fn, 0, ...more))); // 10 s is the bound of a call
  try {
    assert.equal((await s.campaign('demo', { version: 9 })).campaign.version, 3);
    assert.equal(calls.filter((c) => c.path === '/v1/campaigns/demo').length, 12);
    assert.ok(new Set(waits).size > 6, 'each waits as long as it likes');
  } finally {
    globalThis.setTimeout = real;
  }
});

test('a network that is back ends a wait, but not the one that the server asked for', async () => {
  const began = performance.now();
  const online = () => setTimeout(() => dispatchEvent(new Event('online')), 20);
  online();
  assert.equal(await nap(5000), true);
  online();
  assert.equal(await nap(5000, undefined, 200), true);
  const took = performance.now() - began;
  assert.ok(took >= 200 && took < 2000, `${took} ms`);
});

test('a notice is shown in one of two tabs, once, and its receipt is sent again', async () => {
  let receipts = 0;
  const { session: s, keep } = await logged((call) => (call.path.endsWith('/receipt') ? (++receipts === 1 ? problem(503, 'busy') : new Response(null, { status: 204 })) : json(404)));
  const other = new Session({ url: 'http://shake', fetch: s.door.fetch, storage: keep });
  other.resume();
  const shown = [];
  const tabs = [new Notices(s, (n) => shown.push(n.id)), new Notices(other, (n) => shown.push(n.id))];
  const notice = { id: 'n1', receipted_at: null };
  await Promise.all(tabs.map((tab) => tab.take(notice)));
  await Promise.all(tabs.map((tab) => tab.take(notice)));
  for (const tab of tabs) tab.close();
  const reloaded = new Notices(s, (n) => shown.push(n.id));
  await reloaded.take(notice);
  reloaded.close();
  assert.deepEqual(shown, ['n1']);
  await until(() => receipts >= 2);
});

test('a notice has its receipt when it was really shown, and is the next tab\'s when this one goes before', async () => {
  const receipts = [];
  const { session: s, keep } = await logged((call) => (call.path.endsWith('/receipt') ? (receipts.push(call.path), new Response(null, { status: 204 })) : json(404)));
  const other = new Session({ url: 'http://shake', fetch: s.door.fetch, storage: keep });
  other.resume();
  const shown = [];
  const turns = [];
  const queue = (tab) => (notice) => (shown.push(`${tab} ${notice.id}`), new Promise((turn) => turns.push(turn)));
  const [one, two] = [new Notices(s, queue('one')), new Notices(other, queue('two'))];
  const notice = { id: 'n7', receipted_at: null };
  const first = one.take(notice);
  await until(() => shown.length === 1);
  assert.equal(await two.take(notice), false, 'it waits in the other tab');
  assert.equal(await one.take(notice), false, 'it waits here');
  await sleep(100);
  assert.deepEqual([shown, receipts], [['one n7'], []]);
  turns[0](false); // nobody could read it
  assert.equal(await first, false);
  const again = two.take(notice);
  await until(() => shown.length === 2);
  assert.deepEqual(receipts, []);
  turns[1](true);
  assert.equal(await again, true);
  await until(() => receipts.length === 1);
  await one.take(notice);
  assert.deepEqual(shown, ['one n7', 'two n7']);
  await until(() => receipts.length === 2); // a lost one is sent again
  const third = one.take({ id: 'n8', receipted_at: null });
  await until(() => shown.length === 3);
  one.close(); // with its page
  const fourth = two.take({ id: 'n8', receipted_at: null });
  await until(() => shown.length === 4);
  turns[2](true);
  turns[3](true);
  assert.deepEqual([await third, await fourth], [false, true]);
  two.close();
});

test('with 40 % of pushes and 40 % of receipts lost, notices reach the player and none is shown twice', async () => {
  const many = 180; // within what Notices remembers
  const server = pusher(many, { loses: 0.4, pushes: 14, everyMS: 120, seed: 7 });
  const keep = storage();
  const shown = new Map();
  const opened = [];
  const openPage = async () => {
    const s = await connect({ url: 'http://shake', provider: 'dev', credential: 'ann', market: 'SG', fetch: server.fetch, storage: keep });
    const notices = new Notices(s, (n) => shown.set(n.id, (shown.get(n.id) ?? 0) + 1));
    const live = s.live('demo', { notice: (n) => notices.take(n) });
    opened.push(() => (live.close(), notices.close()));
  };
  await openPage();
  await openPage(); // a second tab
  await until(() => server.turns >= 5);
  for (const close of opened.splice(0)) close(); // a reload: what the first pages knew is gone but for the storage
  await openPage();
  await openPage();
  await until(() => server.turns >= 14);
  await sleep(300);
  for (const close of opened) close();
  const twice = [...shown.values()].filter((times) => times > 1).length;
  assert.equal(twice, 0, `${twice} were shown twice`);
  assert.ok(server.receipted.size >= many * 0.99, `${server.receipted.size} of ${many} reached`);
  assert.ok(server.lost > many / 3, `${server.lost} receipts were lost`);
});

test('waits grow, are bounded, and differ', () => {
  assert.equal(backoff(0, { random: () => 1 }), 500);
  assert.equal(backoff(30, { random: () => 1 }), 15_000);
  assert.equal(backoff(3, { afterMS: 2000, random: () => 0 }), 2000);
  assert.notEqual(backoff(5), backoff(5));
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(fn) {
  for (let i = 0; i < 200 && !fn(); i++) await sleep(50);
  assert.ok(fn());
}
