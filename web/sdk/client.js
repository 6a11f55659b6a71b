// @shake/client: what a page needs to let people play. See README.md; the types are in client.d.ts.

import { Claims } from './claims.js';
import { Clock } from './clock.js';
import { Ends } from './ends.js';
import { backoff, Door, nap, persist, Problem } from './http.js';
import { follow } from './live.js';
import { Notices } from './notices.js';
import { Store } from './store.js';

export { Claims, Notices, Problem };

const startTries = 4;
const versionTries = 12; // about two minutes; caches in front are behind for seconds, nodes for less
const versionCapMS = 20_000;
const earlyMS = 60_000; // a session that ends so soon is not used any more
const lastPart = 1 / 3; // a session is renewed when less than this of its life is left,
const jitterPart = 1 / 10; // or up to so much earlier: who logged in together does not renew together
const unknownLifeMS = 3600_000; // of a session that an earlier version stored
const renewAgainMS = 30_000; // after a renewal that failed
const longestTimerMS = 2 ** 31 - 1; // what setTimeout takes

/** Opens a session: the one that is stored, where it is still good and belongs to this credential, else a new one. */
export async function connect({ provider, credential, market, ...options }) {
  const session = new Session(options);
  await session.login({ provider, credential, market });
  return session;
}

/** A player's session. Without login() it can do what needs no player: time, campaigns, live by polling. */
export class Session {
  #login;
  #renewing;
  #renewAt = Infinity;
  #timer;
  token = '';
  user = '';
  market = '';
  provider = ''; // who vouched for the last login here, also after a logout
  expiresAt = 0;

  /** device is an id of this browser; left out, a random one is made once. '' sends none. */
  constructor({ url = '', fetch, storage, device } = {}) {
    this.device = device;
    this.door = new Door(url, fetch);
    this.store = new Store(storage);
    this.clock = new Clock(this.door);
    this.ends = new Ends(this);
    this.provider = this.store.get('provider') ?? '';
  }

  /** Exchanges a platform's credential for a session. */
  async login({ provider, credential, market }) {
    this.#login = { provider, credential, market };
    const stored = this.store.get('session');
    if (stored && stored.provider === provider && stored.credential === credential && stored.market === market && this.#take(stored)) return this;
    const device = this.#device();
    const { body } = await this.door.call('POST', '/v1/sessions', { body: JSON.stringify(device ? { ...this.#login, device } : this.#login) });
    // The credential itself is not stored: where it is a password or a platform's token, it is none of our storage's.
    const kept = provider === 'dev' ? credential : undefined;
    this.#keep({ provider, credential: kept, ...body });
    this.store.set('provider', provider);
    return this;
  }

  /** Takes up the session that is stored. Tells whether there was one. */
  resume() {
    const stored = this.store.get('session');
    if (stored?.credential) this.#login = { provider: stored.provider, credential: stored.credential, market: stored.market };
    return Boolean(stored) && this.#take(stored);
  }

  logout() {
    clearTimeout(this.#timer);
    this.#renewAt = Infinity;
    this.store.remove('session');
    Object.assign(this, { token: '', user: '', expiresAt: 0 });
    this.#login = undefined;
  }

  /** Exchanges the session for one that holds longer, once for all tabs of the browser (where it has no locks, some renew
   * twice, which does no harm). Tells whether there is a new one; there is none when the time is over within which
   * sessions are renewed. It is called by itself, in time. */
  renew() {
    const alone = globalThis.navigator?.locks ? (fn) => navigator.locks.request('shake.renew', fn) : (fn) => fn();
    this.#renewing ??= alone(() => this.#renewed()).finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renewed() {
    if (this.#adopt()) return true;
    const { token } = this;
    if (!token) return false;
    try {
      const { body } = await this.door.call('POST', '/v1/sessions/renew', { token });
      if (this.token !== token || !body?.token) return this.token !== token && Boolean(this.token);
      const stored = this.store.get('session');
      if (stored && stored.token !== token) return this.#take({ ...body, since: this.clock.now() }); // somebody else's by now: let it be
      this.#keep({ ...stored, provider: this.provider, ...body });
      return true;
    } catch (problem) {
      if (!problem.passes) return this.#plan(Infinity), false; // not any more: it goes on until it is over
      this.#plan(this.clock.now() + renewAgainMS * (1 + Math.random()));
      throw problem;
    }
  }

  /** Takes over what another tab has renewed. */
  #adopt() {
    const stored = this.store.get('session');
    return Boolean(stored) && stored.user === this.user && stored.token !== this.token && Date.parse(stored.expires_at) > this.expiresAt && this.#take(stored);
  }

  #device() {
    if (this.device !== undefined) return this.device;
    this.device = this.store.get('device') ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
    this.store.set('device', this.device);
    return this.device;
  }

  #keep(session) {
    const since = this.clock.now();
    this.store.set('session', { ...session, since });
    this.#take({ ...session, since });
  }

  #take({ token, user, market, expires_at, provider, since }) {
    const expiresAt = Date.parse(expires_at);
    if (!(expiresAt - this.clock.now() >= earlyMS)) return false;
    Object.assign(this, { token, user, market, expiresAt, provider: provider ?? this.provider });
    const lifeMS = since ? expiresAt - since : unknownLifeMS;
    this.#plan(expiresAt - lifeMS * (lastPart + jitterPart * Math.random()));
    return true;
  }

  #plan(at) {
    clearTimeout(this.#timer);
    this.#renewAt = at;
    if (at === Infinity) return;
    this.#timer = setTimeout(() => this.#due(), Math.min(longestTimerMS, Math.max(0, at - this.clock.now())));
    this.#timer.unref?.(); // node need not wait for it
  }

  #due() {
    if (this.clock.now() >= this.#renewAt) this.renew().catch(() => {});
    else if (this.token) this.#plan(this.#renewAt);
  }

  /** A call in the player's name. A session that is over is renewed once where that still goes, else there is a new login
   * where we know how. */
  async call(method, path, options = {}) {
    const { token } = this;
    if (token && this.clock.now() >= this.#renewAt) this.#due(); // a timer may have slept with the phone
    try {
      return await this.door.call(method, path, { token, ...options });
    } catch (problem) {
      if (problem.status !== 401 || !token) throw problem;
      if (this.token === token && !(await this.#revive(problem))) throw problem;
      return this.door.call(method, path, { token: this.token, ...options });
    }
  }

  async #revive({ code }) {
    if (this.#adopt() || (code === 'session_expired' && (await this.renew()))) return true;
    if (!this.#login) return false;
    const again = this.#login;
    this.logout();
    await this.login(again);
    return true;
  }

  async campaigns(market = this.market) {
    const query = market ? `?market=${encodeURIComponent(market)}` : '';
    return (await this.door.call('GET', `/v1/campaigns${query}`, { shared: true })).body.campaigns;
  }

  /** {campaign, etag}; campaign is null while it is the one that the etag names. The browser sends If-None-Match by itself;
   * a header of ours would make it ask past every cache. version is the one that an event told of: then it does ask past the
   * browser's cache, and again while what comes is older. Gives the newest that came. */
  async campaign(id, { etag, signal, version = 0 } = {}) {
    const path = `/v1/campaigns/${encodeURIComponent(id)}`;
    let answer;
    for (let tries = 0; ; tries++) {
      const more = tries < versionTries - 1;
      let afterMS = 0;
      try {
        const news = await this.door.call('GET', path, { signal, shared: true, ...(version && { cache: 'no-cache' }) });
        if (!(news.body?.version < answer?.body.version)) answer = news;
        if (!version || answer.body?.version >= version || !more) break;
      } catch (problem) {
        if (!more && answer) break;
        if (!version || !more || !problem.passes) throw problem;
        afterMS = problem.retryAfterMS;
      }
      await nap(backoff(tries, { baseMS: 1000, capMS: versionCapMS, afterMS }), signal, afterMS);
    }
    const now = answer.headers.get('ETag') ?? '';
    return { campaign: answer.status === 304 || (etag && now === etag) ? null : answer.body, etag: now };
  }

  async me(campaign) {
    return (await this.call('GET', `/v1/campaigns/${encodeURIComponent(campaign)}/me`)).body;
  }

  /** Starts the player's round of that number, or gives it again while it is open. Passing troubles are tried again a few
   * times; onWait hears of them. */
  async start(campaign, number, { onWait } = {}) {
    const path = `/v1/campaigns/${encodeURIComponent(campaign)}/rounds/${number}`;
    const open = async () => {
      const from = performance.now();
      const { body } = await this.call('PUT', path);
      this.clock.heard(Date.parse(body?.starts_at), Infinity, from, performance.now()); // it may have been open for longer
      return body;
    };
    return persist(open, { tries: startTries, capMS: 4000, onWait });
  }

  end(campaign, number, token, shakes, beats, options) {
    return this.ends.end(campaign, number, token, shakes, beats, options);
  }

  async result(campaign, number) {
    const answer = await this.call('GET', `/v1/campaigns/${encodeURIComponent(campaign)}/rounds/${number}`);
    return answer.status === 200 ? answer.body : null;
  }

  async board(campaign, { limit = 10, aroundMe = false } = {}) {
    return (await this.call('GET', `/v1/campaigns/${encodeURIComponent(campaign)}/leaderboard?limit=${limit}${aroundMe ? '&around=me' : ''}`)).body;
  }

  async wallet({ limit = 50, next = '' } = {}) {
    return (await this.call('GET', `/v1/wallet?limit=${limit}&next=${encodeURIComponent(next)}`)).body;
  }

  async inbox({ limit = 20, next = '', signal } = {}) {
    return (await this.call('GET', `/v1/inbox?limit=${limit}&next=${encodeURIComponent(next)}`, { signal })).body;
  }

  async receipt(id) {
    await this.call('POST', `/v1/inbox/${encodeURIComponent(id)}/receipt`);
  }

  /** Follows a campaign; see live.js. */
  live(campaign, handlers) {
    return follow(this, campaign, handlers);
  }

  /** Wins whose coins the wallet has not shown yet. Asks the wallet first; claims that it shows are dropped. */
  async claims() {
    const keys = this.store.keys(`claim.${this.user}/`);
    if (!keys.length) return [];
    const { entries } = await this.wallet({ limit: 100 });
    const booked = new Set(entries.map((entry) => entry.round));
    const open = [];
    for (const key of keys) {
      const claim = this.store.get(key);
      if (!claim || booked.has(claim.round)) this.store.remove(key);
      else open.push(claim);
    }
    return open;
  }

  /** Sends one of claims(). Gives {status, coins}; status is granted, already_granted, or pending while the round may be on
   * its way. A claim that the ledger has is dropped; others stay until the wallet shows their coins. */
  async redeem(claim) {
    const { body } = await this.call('POST', '/v1/claims', { body: JSON.stringify({ claim: claim.claim }) });
    if (body.status === 'already_granted') this.forget(claim);
    return body;
  }

  /** Drops a claim. */
  forget({ round }) {
    this.store.remove(`claim.${this.user}/${round}`);
  }
}
