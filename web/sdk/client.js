// @shake/client: what a page needs to let people play. See README.md; the types are in client.d.ts.

import { Claims } from './claims.js';
import { Clock } from './clock.js';
import { Ends } from './ends.js';
import { backoff, Door, nap, Problem } from './http.js';
import { follow } from './live.js';
import { Notices } from './notices.js';
import { Store } from './store.js';

export { Claims, Notices, Problem };

const startTries = 4;
const earlyMS = 60_000; // a session that ends so soon is not used any more

/** Opens a session: the one that is stored, where it is still good and belongs to this credential, else a new one. */
export async function connect({ provider, credential, market, ...options }) {
  const session = new Session(options);
  await session.login({ provider, credential, market });
  return session;
}

/** A player's session. Without login() it can do what needs no player: time, campaigns, live by polling. */
export class Session {
  #login;
  token = '';
  user = '';
  market = '';
  expiresAt = 0;

  constructor({ url = '', fetch, storage } = {}) {
    this.door = new Door(url, fetch);
    this.store = new Store(storage);
    this.clock = new Clock(this.door);
    this.ends = new Ends(this);
  }

  /** Exchanges a platform's credential for a session. */
  async login({ provider, credential, market }) {
    this.#login = { provider, credential, market };
    const stored = this.store.get('session');
    if (stored && stored.provider === provider && stored.credential === credential && stored.market === market && this.#take(stored)) return this;
    const { body } = await this.door.call('POST', '/v1/sessions', { body: JSON.stringify(this.#login) });
    // The credential itself is not stored: where it is a password or a platform's token, it is none of our storage's.
    const kept = provider === 'dev' ? credential : undefined;
    this.store.set('session', { provider, credential: kept, ...body });
    this.#take(body);
    return this;
  }

  /** Takes up the session that is stored. Tells whether there was one. */
  resume() {
    const stored = this.store.get('session');
    if (stored?.credential) this.#login = { provider: stored.provider, credential: stored.credential, market: stored.market };
    return Boolean(stored) && this.#take(stored);
  }

  logout() {
    this.store.remove('session');
    Object.assign(this, { token: '', user: '', expiresAt: 0 });
    this.#login = undefined;
  }

  #take({ token, user, market, expires_at }) {
    if (Date.parse(expires_at) - this.clock.now() < earlyMS) return false;
    Object.assign(this, { token, user, market, expiresAt: Date.parse(expires_at) });
    return true;
  }

  /** A call in the player's name. A session that is over is renewed once where we know how. */
  async call(method, path, options = {}) {
    try {
      return await this.door.call(method, path, { token: this.token, ...options });
    } catch (problem) {
      if (problem.status !== 401 || !this.#login || !this.token) throw problem;
      const again = this.#login;
      this.logout();
      await this.login(again);
      return this.door.call(method, path, { token: this.token, ...options });
    }
  }

  async campaigns(market = this.market) {
    const query = market ? `?market=${encodeURIComponent(market)}` : '';
    return (await this.door.call('GET', `/v1/campaigns${query}`)).body.campaigns;
  }

  /** {campaign, etag}; campaign is null while it is the one that the etag names. */
  async campaign(id, { etag, signal } = {}) {
    const headers = etag ? { 'If-None-Match': etag } : {};
    const answer = await this.door.call('GET', `/v1/campaigns/${encodeURIComponent(id)}`, { headers, signal });
    return { campaign: answer.status === 304 ? null : answer.body, etag: answer.headers.get('ETag') ?? '' };
  }

  async me(campaign) {
    return (await this.call('GET', `/v1/campaigns/${encodeURIComponent(campaign)}/me`)).body;
  }

  /** Starts the player's round of that number, or gives it again while it is open. Passing troubles are tried again a few
   * times; onWait hears of them. */
  async start(campaign, number, { onWait } = {}) {
    const path = `/v1/campaigns/${encodeURIComponent(campaign)}/rounds/${number}`;
    for (let tries = 0; ; tries++) {
      try {
        return (await this.call('PUT', path)).body;
      } catch (problem) {
        if (!problem.passes || tries >= startTries - 1) throw problem;
        onWait?.(problem.code);
        await nap(backoff(tries, { afterMS: problem.retryAfterMS, capMS: 4000 }));
      }
    }
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
