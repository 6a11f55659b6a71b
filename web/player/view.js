// The page's elements: which view is there, what is said aloud, figures that fit and count.

import { num, t } from './text.js';
import { Toasts } from './toasts.js';

export const $ = (id) => document.getElementById(id);

const views = ['boot', 'join', 'lobby', 'play', 'result', 'closed', 'refusal'];
const still = matchMedia('(prefers-reduced-motion: reduce)');

/** Whether people asked for little motion. */
export const calm = () => still.matches;

export const view = () => document.body.dataset.view;

/** Shows one view and takes the reader there. */
export function show(name) {
  if (view() === name) return;
  for (const one of views) $(one).hidden = one !== name;
  document.body.dataset.view = name;
  scrollTo(0, 0);
  $(`${name}-h`)?.focus({ preventScroll: true });
}

/** Says something to screen readers. */
export function say(text) {
  if ($('say').textContent !== text) $('say').textContent = text;
}

/** Puts the spoken language's words wherever the page has a place for them. */
export function translate(root = document) {
  for (const el of root.querySelectorAll('[data-t]')) el.textContent = t(el.dataset.t);
  for (const el of root.querySelectorAll('[data-label]')) el.setAttribute('aria-label', t(el.dataset.label));
}

/** Writes a figure digit by digit, each as wide as the others, and lets the style know how long it is. A screen reader
 * would read digits that are elements one by one, so it gets the text, hidden from sight; spoken is what it gets where
 * the figure is only on its way to that. */
export function figure(el, text, spoken = text) {
  text = String(text);
  if (!el.querySelector('.digits')) {
    el.replaceChildren(make('sr'), make('digits'));
    el.lastChild.ariaHidden = 'true';
    delete el.dataset.text;
  }
  const [said, digits] = el.children;
  if (said.textContent !== String(spoken)) said.textContent = spoken;
  const was = el.dataset.text ?? '';
  if (was === text) return;
  el.dataset.text = text;
  const chars = [...text];
  if (shape(was) !== shape(text)) {
    const wide = chars.reduce((sum, char) => sum + (isDigit(char) ? 0.5 : char === '+' ? 0.5 : 0.29), 0);
    el.style.setProperty('--wide', wide.toFixed(2)); // in em
    digits.replaceChildren(...chars.map((char) => (isDigit(char) ? document.createElement('span') : document.createTextNode(char))));
  }
  for (const [i, char] of chars.entries()) {
    const digit = digits.childNodes[i]; // only what is another one is touched: figures that count do so in each frame
    if (!isDigit(char) || digit.textContent === char) continue;
    digit.textContent = char;
    digit.className = char === '1' && !el.dataset.tabular ? 'digit narrow' : 'digit';
  }
}

const make = (name) => Object.assign(document.createElement('span'), { className: name });
const isDigit = (char) => /\d/.test(char);
const shape = (text) => text.replace(/\d/g, '0');

const running = new WeakMap();

/** Counts a figure from where it is to n. */
export function countTo(el, n, { ms = 700, prefix = '' } = {}) {
  cancelAnimationFrame(running.get(el));
  const from = Number(el.dataset.value ?? n);
  el.dataset.value = n;
  const write = (value) => figure(el, prefix + num(value), prefix + num(n));
  if (calm() || from === n || document.visibilityState === 'hidden') return write(n);
  const began = performance.now();
  const step = (now) => {
    const part = Math.min(1, Math.max(0, (now - began) / ms));
    write(Math.round(from + (n - from) * (1 - (1 - part) ** 4)));
    if (part < 1) running.set(el, requestAnimationFrame(step));
  };
  step(began);
}

const toasts = new Toasts({
  put: (message) => {
    $('toast').hidden = !message;
    if (!message) return;
    const { title, body } = message.words();
    $('toast-title').textContent = title;
    $('toast-body').textContent = body;
  },
  ready: () => document.visibilityState === 'visible' && view() !== 'play', // nobody reads while he shakes
  sum: (wins) => ({ words: () => ({ title: t('notices_title', { n: wins.length }), body: t('notice_body', { n: wins.reduce((sum, { coins }) => sum + coins, 0) }) }) }),
});

/** Shows a message when its turn comes. Tells whether somebody can have read it. */
export const toast = (title, body) => toasts.add({ words: () => ({ title, body }) });

/** Shows the answer to what somebody has just pressed. */
export const answer = (title, body) => toasts.add({ words: () => ({ title, body }) }, { urgent: true });

/** Shows that a win is booked; several that come together are told as one. */
export const toastWin = (coins) => toasts.add({ kind: 'win', coins, words: () => ({ title: t('notice_title'), body: t('notice_body', { n: coins }) }) });

$('toast-close').addEventListener('click', () => toasts.close());
