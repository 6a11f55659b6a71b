// The page's course: who plays, what, and which view comes when.

import { Claims, Notices, Problem, Session } from '../sdk/client.js';
import * as board from './board.js';
import * as lobby from './lobby.js';
import { permit } from './motion.js';
import { idOf } from './name.js';
import { patiently } from './patience.js';
import { Rain } from './rain.js';
import { goOn, refuse, refused, retell, wait } from './refusal.js';
import { counted, kept, play } from './round.js';
import { copy, share } from './share.js';
import * as sound from './sound.js';
import { languages, num, preferred, speak, spoken, t } from './text.js';
import { Timing } from './timing.js';
import { trace } from './trace.js';
import { $, countTo, figure, say, show, toast, toastWin, translate, view } from './view.js';

const claimAfter = 3; // looks, about 27 s: coins are in the wallet within seconds; a claim is shown when they are not
const boardEveryMS = 10_000;
const lobbyTurns = 3; // before and between rounds it is looked at less often
const firstMS = 2000; // what the first view waits for the clock at most
const firstTries = 40; // to open the page: about ten minutes, then its button asks
const loginTries = 6;
const openTries = 3; // of some tries each: a round is not to start when nobody waits for it any more
const notLiveMS = 3000; // how long somebody who was told so stays with it at least, and how often we look again
const spreadMS = 3000; // a whole country sees a stage change in the same second and must not ask in the same second

/** Whether a provider's players come by its app alone; those of dev type a name. */
const fromApp = (provider) => Boolean(provider) && provider !== 'dev';

/** Waits until somebody looks. */
async function seen() {
  while (document.visibilityState !== 'visible') await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
}

const apart = (ms) => new Promise((resolve) => setTimeout(resolve, ms * Math.random()));

class Page {
  session = new Session();
  rain = new Rain($('rain'));
  campaign = null;
  me = null;
  result = null;
  board = { final: false, entries: [], me: null };
  busy = false; // a round is being opened, played or ended
  stage = '';

  async begin() {
    const told = this.#credential(); // before all else, so that it does not stand in the address bar
    if (!(await this.#speak(preferred()))) {
      this.#tellAgain();
      return dispatchEvent(new Event('stale')); // boot.js loads the page again
    }
    this.#listen();
    performance.mark('shake-interactive');
    this.#booted();
    const measured = this.session.clock.sync(1);
    await this.#come(told);
    await Promise.race([measured, new Promise((resolve) => setTimeout(resolve, firstMS))]);
    setInterval(() => this.#tick(), 200);
    setInterval(() => this.session.clock.sync(3), 300_000);
    if (this.session.token) await this.#enter();
    else this.#settleView();
    this.#follow();
    this.session.clock.sync(); // more samples, now that the page stands
  }

  /** Asks for what the first view needs until it is there. Where asking again would not help, a button does it. */
  async #come(told) {
    for (;;) {
      try {
        return await patiently(async () => {
          if (!this.campaign) await this.#load(await this.#which());
          await this.#admit(told);
        }, { tries: firstTries, show: goOn });
      } catch (problem) {
        await new Promise((resolve) => this.#refuse(problem, resolve));
        if (problem.status === 401) told = null; // it is over: on as a visitor
      }
    }
  }

  /** It has all its files, so boot.js need not count any more. */
  #booted() {
    try {
      sessionStorage.removeItem('shake.boot');
    } catch {
      // then it did not count
    }
  }

  /** A company's app opens the page with its player's credential behind the #, which no server sees. */
  #credential() {
    const told = new URLSearchParams(location.hash.slice(1));
    if (!told.get('credential')) return null;
    this.told = location.hash;
    history.replaceState(null, '', location.pathname + location.search);
    if (!told.get('provider')) return null;
    return { provider: told.get('provider'), credential: told.get('credential'), market: told.get('market'), instead: told.get('switch') === '1' };
  }

  /** Puts back what the app told, for a page that is loaded again. */
  #tellAgain() {
    if (this.told) history.replaceState(null, '', location.pathname + location.search + this.told);
  }

  /** Logs in who the app told, or takes up the session that is here. Anybody can send somebody a link with a credential of
   * his own, so that what they shake for is his (login CSRF): a link alone replaces nobody who is here. */
  async #admit(told) {
    const here = this.session.resume();
    const was = this.session.user;
    this.appOnly = fromApp(told?.provider ?? this.session.provider);
    if (!told || (here && !told.instead)) {
      this.appOnly = fromApp(this.session.provider);
      return;
    }
    const { provider, credential, market } = told;
    await this.session.login({ provider, credential, market: market ?? this.campaign.market });
    if (here && was !== this.session.user) toast(t('switched'), this.session.user);
  }

  /** The campaign that the address names, else the one that is live, else the next one, else the demo. */
  async #which() {
    const named = /^\/play\/([a-z0-9-]+)/.exec(location.pathname)?.[1];
    if (named) return named;
    const all = await this.session.campaigns(new URLSearchParams(location.search).get('market') ?? '');
    return ['live', 'warmup', 'closed'].map((stage) => all.find((c) => c.stage === stage)?.id).find(Boolean) ?? 'demo';
  }

  async #load(id) {
    const { campaign } = await this.session.campaign(id);
    this.#know(campaign);
  }

  /** Takes what is new about the campaign. A cache or a node may be behind what was known already. */
  #know(campaign) {
    if (campaign.version < this.campaign?.version) return;
    const another = this.campaign && campaign.starts_at !== this.campaign.starts_at;
    const more = this.campaign && campaign.chances !== this.campaign.chances;
    this.campaign = campaign;
    $('win-text').textContent = campaign.assets?.prize || t('win_text');
    lobby.pool(campaign.pool);
    if (another) this.#newRun();
    else if (more && this.session.token) this.#standing();
  }

  async #newRun() {
    this.result = null;
    this.board = { final: false, entries: [], me: null };
    this.boarded = false;
    board.draw(this.board);
    if (!this.session.token) return;
    await this.#standing();
    if (!this.busy) this.#settleView();
  }

  /** Logged in: takes up whatever was left open. */
  async #enter() {
    await this.#standing();
    let mine;
    const left = this.session.ends.resume({ onWait: (why) => this.#waiting(why, mine?.until) });
    mine = left.find((end) => end.campaign === this.campaign.id);
    for (const end of left) if (end !== mine) end.result.catch(() => {});
    if (mine) {
      this.busy = true;
      this.#waiting('pending');
      return this.#answered(mine.result);
    }
    const open = this.me?.open_round;
    if (open) return this.#resume(open);
    this.#settleView();
    this.#claims();
  }

  async #standing() {
    try {
      this.me = await this.session.me(this.campaign.id);
    } catch (problem) {
      if (problem.status === 401) {
        this.session.logout();
        this.me = null;
      }
    }
    this.#draw();
  }

  /** Shows the view that belongs to the stage. */
  #settleView() {
    const stage = lobby.stageOf(this.campaign, this.session.clock.now());
    this.stage = stage;
    document.body.dataset.stage = stage;
    const over = stage === 'closed' || stage === 'settled';
    if (over) return this.#closed(stage);
    this.#draw();
    show('lobby');
    trace('lobby').start();
    this.here = true;
    this.#lobbyBoard();
  }

  /** Where the player stands: who opens the page in the middle of the show, and who comes back from a round. When it begins
   * nobody stands anywhere. */
  async #lobbyBoard() {
    if ($('lobby-board').hidden || this.boarded) return;
    this.boarded = true;
    await apart(spreadMS);
    await this.#loadBoard();
  }

  #draw() {
    if (!this.campaign) return;
    lobby.draw(this.campaign, this.me, this.session.clock.now(), !this.session.token);
    board.draw(this.board); // it may be longer or shorter now
  }

  /** Lets a visitor in: by a name, or by the app alone. */
  #enterBy() {
    if (this.appOnly) refuse('from_app', (action) => this.#after(action));
    else show('join');
  }

  #tick() {
    const now = this.session.clock.now();
    lobby.tick(this.campaign, now);
    const stage = lobby.stageOf(this.campaign, now);
    if (view() === 'refusal' && refused() === 'not_live') this.#wake(stage);
    if (stage === this.stage) return;
    const was = this.stage;
    this.stage = stage;
    document.body.dataset.stage = stage;
    if (stage === 'live' && was === 'warmup' && view() === 'lobby') {
      this.#draw();
      say(t('stage_live'));
      this.rain.fall(30);
      trace('lobby').kick(1.2);
      navigator.vibrate?.([60, 40, 60]);
      if (document.activeElement === document.body || document.activeElement === $('lobby-h')) $('go').focus({ preventScroll: true });
    } else if (view() === 'lobby' || view() === 'closed') this.#settleView();
    else if (view() === 'join' && stage === 'closed') this.#settleView(); // nobody is taken from typing by a start
    else if (view() === 'result') this.#again();
  }

  /** Who was told that it is not live yet need not press anything when it is. */
  #wake(stage) {
    if (stage === 'closed' || stage === 'settled') return refuse('over', (action) => this.#after(action));
    const since = performance.now() - this.refusedAt;
    if (since < notLiveMS) return;
    this.refusedAt = performance.now();
    if (stage === 'live' && this.campaign.stage === 'live') {
      this.#settleView();
      say(t('stage_live'));
    } else this.#load(this.campaign.id).catch(() => {}); // the next look
  }

  #follow() {
    this.following?.close();
    this.notices ??= new Notices(this.session, (notice) => this.#notice(notice));
    this.following = this.session.live(this.campaign.id, {
      pool: (pool) => {
        this.campaign.pool = { ...this.campaign.pool, ...pool };
        lobby.pool(this.campaign.pool);
      },
      stage: (stage) => this.#staged(stage),
      board: (news) => (this.boardComes = true) && this.#drawBoard({ ...news, me: news.entries.find((e) => e.user === this.session.user) ?? this.board.me }),
      notice: (notice) => this.notices.take(notice),
      mode: (mode) => {
        document.body.dataset.live = mode;
        this.boardComes = false;
      },
    });
    clearInterval(this.boarding);
    let turn = 0;
    this.boarding = setInterval(() => {
      turn++;
      const shows = view() === 'lobby' ? !$('lobby-board').hidden && turn % lobbyTurns === 0 : ['result', 'closed'].includes(view());
      const seen = shows && document.visibilityState === 'visible';
      if (seen && !this.board.final && !this.boardComes && this.session.token) this.#loadBoard();
    }, boardEveryMS * (0.8 + 0.4 * Math.random()));
  }

  async #staged({ version, stage, details }) {
    if (version < this.campaign.version) return;
    if (details) return this.#know(details);
    this.campaign.stage = stage;
    if (version === this.campaign.version || version <= this.told) return;
    this.told = version; // it is not told again, so it is asked for until it came
    await apart(spreadMS);
    if (version <= this.campaign.version) return;
    const { campaign } = await this.session.campaign(this.campaign.id, { version }).catch(() => ({}));
    if (campaign) this.#know(campaign);
    if (this.campaign.version < version) this.told = 0; // the next stream tells it again
  }

  /** Tells whether somebody can have read it. */
  #notice(notice) {
    this.#drop(notice.round);
    return notice.kind === 'win' && notice.params ? toastWin(Number(notice.params.coins)) : toast(notice.title, notice.body);
  }

  #drop(round) {
    this.session.forget({ round }); // told of: the coins are booked
    if ($('claim').dataset.round === round) $('claim').hidden = true;
  }

  // Playing

  async #go() {
    if (this.busy) return;
    if (!this.session.token) return this.#enterBy();
    this.busy = true;
    sound.unlock();
    const asked = permit(); // within the tap
    this.rain.prepare();
    lobby.opening(t('starting'));
    try {
      await asked;
      const open = await patiently(() => this.#open(), { tries: openTries, show: goOn, worth: ({ status }) => status > 0, ready: seen });
      await this.#play(...open);
    } catch (problem) {
      this.#refuse(problem, (action) => this.#after(action));
    } finally {
      this.busy = false;
      lobby.ready(this.me, !this.session.token);
    }
  }

  /** Starts the next round, or takes up the one that is open. Gives it and when it was asked for and answered. */
  async #open() {
    const start = async (number) => {
      const askedMS = performance.now();
      const round = await this.session.start(this.campaign.id, number, { onWait: () => lobby.opening(t('busy_t')) });
      return [round, { askedMS, answeredMS: performance.now() }];
    };
    this.me ??= await this.session.me(this.campaign.id);
    try {
      return await start(this.me.next_number);
    } catch (problem) {
      if (problem.code === 'wrong_number') return start(problem.nextNumber);
      if (problem.code !== 'round_open') throw problem;
      this.me = await this.session.me(this.campaign.id);
      if (!this.me.open_round) throw problem;
      return [this.me.open_round];
    }
  }

  async #play(round, told) {
    const { shakes, beats } = await play(round, this.session.clock, this.rain, told);
    this.#ending();
    await this.#send(round, shakes, beats);
  }

  async #send(round, shakes, beats) {
    const late = this.campaign.late_seconds;
    const until = late >= 0 ? Date.parse(round.ends_at) + late * 1000 : undefined;
    await this.#answered(this.session.end(this.campaign.id, round.number, round.token, shakes, beats, { onWait: (why) => this.#waiting(why, until), until }));
  }

  /** A round that was open when the page was loaded: there is still time, or what was counted is sent. */
  async #resume(round) {
    this.busy = true;
    try {
      if (new Timing(round, this.session.clock).leftMS) return await this.#play(round);
      const { shakes, beats } = counted(kept(round));
      this.#ending();
      await this.#send(round, shakes, beats);
    } finally {
      this.busy = false;
    }
  }

  #ending() {
    figure($('left-n'), '0');
  }

  /** Tells why an end has no answer yet, and how long it still counts, where that is known. */
  #waiting(why, until) {
    const { clock } = this.session;
    wait(why, until && clock.known ? () => until - clock.now() : null);
  }

  async #answered(answer) {
    try {
      this.result = await answer;
      this.me = { ...this.me, chances_left: this.result.chances_left, coins: this.result.total, next_number: this.result.number + 1, open_round: null };
      this.#showResult();
    } catch (problem) {
      await this.#standing();
      this.#refuse(problem, (action) => this.#after(action));
    } finally {
      this.busy = false;
    }
  }

  #showResult() {
    const { coins, total, chances_left: left } = this.result;
    $('result-coins').dataset.value = 0;
    this.#drawResult();
    $('claim').hidden = true;
    show('result');
    say(`${t('say_won', { n: coins })} ${t('say_total', { n: total })} ${t('chances', { n: left })}`);
    if (coins) this.rain.burst(Math.min(40, 8 + coins), innerWidth / 2, innerHeight * 0.35);
    sound.win(coins > 0);
    this.#loadBoard();
    for (const ms of [1500, 4000]) setTimeout(() => this.#loadBoard(), ms * (0.8 + 0.4 * Math.random())); // it follows a moment later
    this.#claims();
  }

  #drawResult() {
    const { coins, total, chances_left: left, prize } = this.result;
    this.#again();
    $('result-h').textContent = t(coins ? 'result_title' : 'result_none');
    $('result-word').textContent = coins ? t('coins', { n: coins }) : t('result_none_word');
    countTo($('result-coins'), coins, { ms: 1200, prefix: coins ? '+' : '' });
    figure($('result-total'), num(total));
    figure($('result-left'), num(left));
    $('result-prize').hidden = !prize;
    $('result-prize').textContent = prize ?? '';
    board.draw(this.board);
  }

  #again() {
    const live = lobby.stageOf(this.campaign, this.session.clock.now()) === 'live';
    $('again').textContent = t(live && this.result?.chances_left > 0 ? 'again' : 'to_board');
  }

  /** Looks after wins that the wallet does not show in time: their claims are sent, and the player reads what came of it. */
  #claims() {
    this.claiming ??= new Claims(this.session, (open, looks) => this.#claimed(open, looks));
    this.claiming.watch();
  }

  #claimed(open, looks) {
    const told = open.filter((one) => one.state !== 'waiting' || looks >= claimAfter);
    const one = told.find((claim) => claim.state !== 'paid') ?? told[0];
    this.claim = one;
    $('claim').hidden = !one;
    if (!one) return;
    $('claim').dataset.round = one.round;
    $('claim-code').textContent = one.claim;
    this.#drawClaim();
  }

  #drawClaim() {
    const text = this.claim && t(`claim_${this.claim.state}`, { n: this.claim.coins });
    if (text && $('claim-text').textContent !== text) $('claim-text').textContent = text; // read aloud when it changes
  }

  async #loadBoard() {
    try {
      this.#drawBoard(await this.session.board(this.campaign.id));
    } catch {
      // the last one stays
    }
  }

  #drawBoard(news) {
    this.board = news;
    board.draw(news);
    if (view() === 'closed') this.#drawClosed();
  }

  async #closed(stage) {
    this.stage = stage;
    this.#drawClosed();
    show('closed');
    trace('closed').start();
    trace('closed').kick(1.2); // the last tremor runs out
    if (this.here) await apart(spreadMS);
    this.here = true;
    if (!this.session.token) return; // boards are for players
    await this.#loadBoard();
    await this.#standing();
    if (view() === 'closed') this.#drawClosed();
  }

  #drawClosed() {
    const settled = this.stage === 'settled' || this.board.final;
    $('closed-stage').textContent = `${t(settled ? 'stage_settled' : 'stage_closed')} · ${this.campaign.name}`;
    $('closed-text').textContent = t(settled ? 'closed_final' : 'closed_wait');
    const visitor = !this.session.token;
    $('closed-won').hidden = $('closed-coins').hidden = visitor;
    document.querySelector('#closed [data-board]').hidden = visitor && !this.board.entries.length;
    figure($('closed-coins'), num(Math.max(this.me?.coins ?? 0, this.board.me?.coins ?? 0)));
  }

  // Refusals

  #refuse(problem, does) {
    if (!(problem instanceof Problem)) {
      console.error(problem);
      return refuse('error', does);
    }
    if (problem.status === 401) this.session.logout();
    this.refusedAt = performance.now();
    const over = problem.code === 'not_live' && this.campaign && !['warmup', 'live'].includes(lobby.stageOf(this.campaign, this.session.clock.now()));
    if (problem.status === 401 && this.appOnly) refuse('from_app', does);
    else refuse(over ? 'over' : problem.code, does);
  }

  async #after(action) {
    if (action === 'login') return this.#enterBy();
    if (this.session.token) await this.#standing();
    this.#settleView();
    if (action === 'retry' && view() === 'lobby' && this.stage === 'live') this.#go();
  }

  // What people press

  #listen() {
    $('join-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#join();
    });
    $('go').addEventListener('click', () => this.#go());
    $('again').addEventListener('click', () => {
      const live = lobby.stageOf(this.campaign, this.session.clock.now()) === 'live';
      if (live && this.result?.chances_left > 0) {
        show('lobby');
        trace('lobby').start();
        this.#go();
      } else this.#settleView();
    });
    for (const id of ['share', 'result-share', 'closed-share']) $(id).addEventListener('click', () => share(this.campaign.id));
    $('claim-copy').addEventListener('click', () => copy($('claim-code').textContent));
    $('sound').addEventListener('click', () => this.#sound(!sound.isOn()));
    this.#sound(sound.isOn());
    for (const [tag, name] of Object.entries(languages)) $('lang').add(new Option(name, tag));
    $('lang').value = spoken();
    $('lang').addEventListener('change', () => this.#speak($('lang').value, { chosen: true }));
    const net = () => {
      $('net').textContent = navigator.onLine ? '' : t('net_off');
      $('net').hidden = navigator.onLine;
    };
    addEventListener('hashchange', () => new URLSearchParams(location.hash.slice(1)).has('credential') && location.reload()); // the app opened it again
    addEventListener('online', net);
    addEventListener('offline', net);
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.session.clock.sync(3));
    net();
  }

  #sound(on) {
    if (on !== sound.isOn()) sound.turn(on);
    $('sound').setAttribute('aria-pressed', String(on));
  }

  async #speak(tag, how) {
    try {
      await speak(tag, how);
    } catch {
      $('lang').value = spoken(); // the other words did not come, so the ones that are here stay
      return false;
    }
    translate();
    document.title = `Shake: ${t('join_title')}`;
    retell();
    if (!this.campaign) return true;
    $('pool-n').dataset.value = this.campaign.pool.left;
    countTo($('pool-n'), this.campaign.pool.left);
    this.#draw();
    board.draw(this.board);
    this.#drawClaim();
    if (view() === 'closed') this.#drawClosed();
    if (this.result) this.#drawResult();
    return true;
  }

  async #join() {
    const name = idOf($('nick').value);
    $('nick-error').textContent = name ? '' : t('nickname_error');
    $('nick').setAttribute('aria-invalid', String(!name));
    if (!name) return $('nick').focus();
    $('join-go').disabled = true;
    try {
      await patiently(() => this.session.login({ provider: 'dev', credential: name, market: this.campaign.market }), { tries: loginTries, show: goOn });
      await this.#enter();
      this.#follow();
    } catch (problem) {
      if (problem.status === 401) this.appOnly = true; // names are not taken here
      this.#refuse(problem, (action) => (action === 'retry' ? show('join') : this.#after(action)));
    } finally {
      $('join-go').disabled = false;
    }
  }
}

if (new URLSearchParams(location.search).has('record')) import('./recorder.js').then((tool) => tool.begin());
else new Page().begin();
