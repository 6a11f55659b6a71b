// Types of @shake/client. Times are RFC 3339 in UTC; coins are whole numbers.

export type Stage = 'warmup' | 'live' | 'closed' | 'settled';

export interface Pool { funded: number; left: number; open: boolean }

export interface Campaign {
  id: string; game: string; market: string; name: string; stage: Stage; version: number;
  warmup_at: string; starts_at: string; ends_at: string; round_seconds: number; late_seconds: number; chances: number;
  pool: Pool; assets: Record<string, string>;
}

export interface Round { round: string; number: number; token: string; starts_at: string; ends_at: string; chances_left: number }

export interface Result {
  round: string; number: number; coins: number; total: number; prize: string | null;
  chances_left: number; claim: string; settled_at: string;
}

export interface Me { chances_left: number; coins: number; next_number: number; open_round: Round | null; last: Result | null }
export interface Place { rank: number; user: string; name: string; coins: number }
export interface Board { final: boolean; entries: Place[]; me: Place | null }
export interface Entry { id: string; kind: string; campaign: string; round: string; coins: number; at: string }
export interface Wallet { balance: number; entries: Entry[]; next: string | null }
/** `title` and `body` are English; `params` is what they are made of, whole numbers in decimal: `coins`, `number` and `total` of a `win`. */
export interface Notice {
  id: string; kind: string; campaign: string; round: string; title: string; body: string; params: Record<string, string>;
  at: string; receipted_at: string | null;
}
export interface Inbox { notices: Notice[]; next: string | null }
export interface Claim { round: string; campaign: string; coins: number; claim: string; at: number }

export interface Options {
  /** Where the players' door is; empty for the page's own origin. */
  url?: string;
  fetch?: typeof fetch;
  storage?: Storage;
  /** An id of this browser, 1 to 64 printable characters without spaces. Left out, a random one is made once and kept in
   * the storage; '' sends none. */
  device?: string;
}

export interface Login { provider: string; credential: string; /** Two capital letters. */ market: string }

/** What was answered instead. `code` is one of docs/openapi.yaml, or, with the status 0, `offline` (no answer) or
 * `unreadable` (an answer that is not ours). */
export class Problem extends Error {
  status: number; code: string; detail: string; requestID: string; nextNumber?: number; retryAfterMS: number;
  /** Whether the same call may well be answered otherwise in a moment. */
  readonly passes: boolean;
}

export interface Clock {
  /** Measures anew with so many samples. Those that do not come now are asked for later on, for some minutes. */
  sync(samples?: number): Promise<Clock>;
  /** The server's time now, in ms since 1970. */
  now(): number;
  /** What the server's clock is ahead of the device's. */
  readonly offsetMS: number;
  /** The most by which now() was wrong when it was measured; Infinity while it is the device's time. */
  readonly errorMS: number;
  /** Whether it was measured. */
  readonly exact: boolean;
  /** Whether the server's time is known, measured or by what other answers tell. */
  readonly known: boolean;
}

export interface EndOptions {
  /** Told, again and again, why there is no answer yet: `pending`, `offline`, `busy` and others. */
  onWait?(why: string): void;
  /** Kept with a stored end: until when it counts, in ms since 1970 by the server's time. */
  until?: number;
}

export interface Handlers {
  pool?(pool: Pool & { campaign: string }): void;
  /** `details` is the whole campaign where polling brought it. */
  stage?(stage: { campaign: string; stage: Stage; version: number; details?: Campaign }): void;
  board?(board: { final: boolean; entries: Place[] }): void;
  notice?(notice: Notice): void;
  mode?(mode: 'stream' | 'poll'): void;
  error?(error: unknown): void;
}

export class Session {
  constructor(options?: Options);
  readonly token: string;
  readonly user: string;
  readonly market: string;
  /** Who vouched for the last login in this browser, also after a logout; '' if nobody has. */
  readonly provider: string;
  /** ms since 1970 */
  readonly expiresAt: number;
  readonly clock: Clock;
  readonly ends: {
    pending(): { campaign: string; number: number; token: string; body: string; at: number; until?: number; key: string }[];
    resume(options?: EndOptions): { campaign: string; number: number; until?: number; result: Promise<Result> }[];
  };
  login(login: Login): Promise<this>;
  /** Takes up the session that is stored. Tells whether there was one that still holds. */
  resume(): boolean;
  /** Exchanges the session for one that holds longer, once for all tabs; it is called by itself, in time. */
  renew(): Promise<boolean>;
  logout(): void;
  campaigns(market?: string): Promise<Campaign[]>;
  /** With `version`, that of a `stage` event: past the browser's cache, and again until that version came, for two minutes at
   * most. */
  campaign(id: string, options?: { etag?: string; signal?: AbortSignal; version?: number }): Promise<{ campaign: Campaign | null; etag: string }>;
  me(campaign: string): Promise<Me>;
  start(campaign: string, number: number, options?: EndOptions): Promise<Round>;
  end(campaign: string, number: number, token: string, shakes: number, beats?: number[], options?: EndOptions): Promise<Result>;
  result(campaign: string, number: number): Promise<Result | null>;
  board(campaign: string, options?: { limit?: number; aroundMe?: boolean }): Promise<Board>;
  wallet(options?: { limit?: number; next?: string }): Promise<Wallet>;
  inbox(options?: { limit?: number; next?: string; signal?: AbortSignal }): Promise<Inbox>;
  receipt(id: string): Promise<void>;
  /** Wins whose coins the wallet has not shown yet. */
  claims(): Promise<Claim[]>;
  /** Sends a claim. `pending`: the round may be on its way. */
  redeem(claim: { round: string; claim: string }): Promise<{ status: 'granted' | 'already_granted' | 'pending'; coins?: number }>;
  /** Drops a claim that the page knows to be paid. */
  forget(claim: { round: string }): void;
  live(campaign: string, handlers: Handlers): { close(): void };
  /** Any other call in the player's name. */
  call(method: string, path: string, options?: { body?: string; headers?: Record<string, string>; signal?: AbortSignal }): Promise<{
    status: number; headers: Headers; body: any; retryAfterMS: number;
  }>;
}

export function connect(options: Options & Login): Promise<Session>;

/** `waiting`: the wallet does not show it yet; `asked`: it was sent, and may be on its way; `paid`: it was paid, and the
 * wallet will show it; `empty`: no coin is left for it now; `over`: its run is over. */
export interface OpenClaim extends Claim { state: 'waiting' | 'asked' | 'paid' | 'empty' | 'over' }

/** Sends claims of wins that the wallet lacks for too long, and tells of all that are open. */
export class Claims {
  constructor(session: Session, tell: (open: OpenClaim[], looks: number) => void);
  /** Begins to look, anew if it has begun before; `looks` are the pauses in ms. */
  watch(looks?: number[]): void;
  close(): void;
}

/** Shows each notice once, also across tabs and reloads, and sends its receipt when it was shown. */
export class Notices {
  /** `show` may give a promise: false where nobody can have read it, so that it is shown when it comes again. */
  constructor(session: Session, show: (notice: Notice) => unknown);
  take(notice: Notice): Promise<boolean>;
  close(): void;
}
