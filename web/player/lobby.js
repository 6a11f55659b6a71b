// The place before and between rounds: the pool, the countdown, what can be won.

import { num, span, t } from './text.js';
import { trace } from './trace.js';
import { $, countTo, figure, say, view } from './view.js';

/** The stage that a campaign is in by the server's clock, without waiting for the next poll. */
export function stageOf(campaign, now) {
  if (campaign.stage === 'settled') return 'settled';
  if (now < Date.parse(campaign.starts_at)) return 'warmup';
  return now < Date.parse(campaign.ends_at) ? 'live' : 'closed';
}

const sayEveryMS = 15_000; // a screen reader that is told each change says nothing else
let poolWas = null;
let poolNow = 0;
let saying;

/** Writes the pool; what has left it shakes the line. */
export function pool({ left, funded }) {
  countTo($('pool-n'), left, { ms: 1200 });
  if (poolWas !== null && left < poolWas && view() === 'lobby') trace('lobby').kick(Math.min(1, 0.25 + ((poolWas - left) / Math.max(1, funded)) * 200));
  poolWas = left;
  poolNow = left;
  if (saying) return; // it is said with the next
  sayPool();
}

function sayPool() {
  const said = poolNow;
  $('pool-sr').textContent = t('pool_now', { n: said });
  saying = setTimeout(() => {
    saying = undefined;
    if (poolNow !== said) sayPool();
  }, sayEveryMS);
}

/** Writes everything that hangs on the stage. */
export function draw(campaign, me, now, visitor = false) {
  const stage = stageOf(campaign, now);
  const live = stage === 'live';
  document.body.dataset.who = visitor ? 'visitor' : 'player';
  document.body.dataset.stage = stage;
  $('lobby-stage').textContent = t(live ? 'stage_live' : 'stage_warmup');
  $('lobby-name').textContent = campaign.name;
  const spent = live && !visitor && me?.chances_left === 0 && !me.open_round;
  $('go').hidden = (!live && !visitor) || spent;
  $('spent').hidden = !spent;
  $('lobby').dataset.spent = spent;
  $('lobby-board').hidden = !live || visitor;
  $('lobby-board').dataset.board = spent ? 10 : 3;
  figure($('spent-coins'), num(me?.coins ?? 0));
  $('count').hidden = false;
  $('count-label').textContent = t(live ? 'ends_in' : 'starts_in');
  figure($('fact-chances'), num(me ? me.chances_left : campaign.chances));
  figure($('fact-seconds'), num(campaign.round_seconds));
  figure($('fact-mine'), num(me?.coins ?? 0));
  $('win-text').textContent = campaign.assets?.prize || t('win_text');
  if (!$('go').ariaDisabled) ready(me, visitor);
}

/** The button as it stands when one can press it. */
export function ready(me, visitor = false) {
  $('go').removeAttribute('aria-disabled');
  $('go-text').textContent = t(visitor ? 'join_go' : 'go');
  $('go-note').textContent = me && !visitor ? t('chances', { n: me.chances_left }) : '';
}

/** The button while the round is being opened. */
export function opening(note) {
  $('go').setAttribute('aria-disabled', 'true');
  $('go-text').textContent = t('go_wait');
  $('go-note').textContent = note;
}

const told = new Set([60, 30, 10, 5, 3, 2, 1]);
let lastSecond = -1;

/** Moves the countdown on. */
export function tick(campaign, now) {
  const stage = stageOf(campaign, now);
  const left = Date.parse(stage === 'warmup' ? campaign.starts_at : campaign.ends_at) - now;
  const second = Math.ceil(left / 1000);
  if (second === lastSecond || stage === 'closed' || stage === 'settled') return;
  lastSecond = second;
  figure($('count-n'), span(left));
  $('count').classList.toggle('soon', stage === 'warmup' && second <= 10);
  if (stage === 'warmup' && view() === 'lobby') {
    trace('lobby').kick(second <= 10 ? 0.5 : 0.16); // the heart of the show
    if (told.has(second)) say(`${t('starts_in')} ${t('say_left', { n: second })}`);
  }
}
