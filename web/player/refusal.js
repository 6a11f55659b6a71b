// When something can't be had right now: what happened, in words, and what one can do about it.

import { span, t } from './text.js';
import { $, figure, say, show, view } from './view.js';

// The state for each code of the API and of the SDK, with its art and what its button does. Codes that are not here
// are faults of ours to the player: `error`.
const states = {
  no_chances: ['s-spent', 'back'],
  too_late: ['s-clock', 'back'],
  too_early: ['s-clock', 'back', 'too_late'],
  pool_empty: ['s-empty', 'back'],
  busy: ['s-crowd', 'retry'],
  overloaded: ['s-crowd', 'retry', 'busy'],
  round_open: ['s-crowd', 'retry', 'busy'],
  wrong_number: ['s-crowd', 'retry', 'busy'],
  not_live: ['s-flat', 'back'],
  over: ['s-flat', 'to_board'],
  from_app: ['s-key', 'back'],
  unauthorized: ['s-key', 'login', 'logged_out'],
  session_expired: ['s-key', 'login', 'logged_out'],
  rate_limited: ['s-crowd', 'retry', 'busy'], // a whole market may be over its rate: that is nobody's fault here
  offline: ['s-cut', 'retry'],
  unreadable: ['s-cut', 'retry', 'offline'],
  kept: ['s-cut', null],
  sending: ['s-crowd', null],
  late: ['s-clock', null],
  pending: ['s-wait', null],
  conflicting_repeat: ['s-done', 'back', 'conflict'],
  not_found: ['s-lost', 'retry'],
  error: ['s-torn', 'retry'],
};

// While an end is on its way nothing is refused, it only takes longer.
const waits = { offline: 'kept', unreadable: 'kept', pending: 'pending' }; // else somebody is busy

let shown = null;
let waiting = false;
let act = null;
let remaining = null;
let counting;

/** Shows the state of a code. does(action) is told when its button is pressed: back, to_board, retry or login. */
export function refuse(code, does) {
  present(code in states ? code : 'error', does, false);
}

/** Shows why an end has no answer yet. It goes by itself. left() tells how many ms there are until it counts no more. */
export function wait(code, left) {
  clearInterval(counting);
  const state = waits[code] ?? 'sending';
  remaining = state === 'pending' ? null : left; // the server has it already
  present(remaining?.() <= 0 ? 'late' : state, null, true);
  if (remaining && shown !== 'late') counting = setInterval(count, 250);
}

function count() {
  if (view() !== 'refusal' || !waiting || act) return clearInterval(counting);
  if (remaining() > 0) return figure($('refusal-time'), span(remaining()));
  clearInterval(counting);
  present('late', null, true);
}

/** Shows why a question has no answer yet. It goes on by itself; now() asks at once. */
export function goOn(code, now) {
  present(code in states ? code : 'error', () => {
    $('refusal-go').setAttribute('aria-disabled', 'true'); // until it is answered
    act = () => {};
    now();
  }, true);
}

/** The code whose state was shown last. */
export const refused = () => shown;

/** Writes the state again, in another language. */
export function retell() {
  if (shown) write();
}

function present(code, does, waits) {
  shown = code;
  waiting = waits;
  act = does;
  write();
  show('refusal');
  const until = $('refusal-until').hidden ? '' : ` ${t('kept_until')} ${span(remaining())}`;
  say(`${$('refusal-h').textContent}. ${$('refusal-text').textContent}${until}`);
}

function write() {
  const [art, action, words = shown] = states[shown];
  $('refusal').dataset.code = shown;
  $('refusal-art').firstElementChild.setAttribute('href', `#${art}`);
  $('refusal-h').textContent = t(`${words}_t`);
  const text = t(`${words}_x`);
  $('refusal-text').textContent = waiting && action ? `${text}${/[。！]$/.test(text) ? '' : ' '}${t('trying')}` : text;
  const counts = waiting && !act && shown !== 'late' && remaining;
  $('refusal-until').hidden = !counts;
  if (counts) figure($('refusal-time'), span(remaining()));
  $('refusal-go').hidden = !act || !action;
  $('refusal-go').textContent = action ? t(waiting ? 'retry' : action) : '';
  $('refusal-go').removeAttribute('aria-disabled');
}

$('refusal-go').addEventListener('click', () => act?.(states[shown][1]));
