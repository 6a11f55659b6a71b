// The leaderboard, and where the player stands on it.

import { num, t } from './text.js';
import { $ } from './view.js';

/** Draws a board into every place for it; one that is short has a number of rows, and the player's own. */
export function draw({ final, entries, me }) {
  for (const place of document.querySelectorAll('[data-board]')) place.replaceChildren(...parts(final, entries.slice(0, Number(place.dataset.board) || entries.length), me));
  $('result-rank').textContent = me ? `#${num(me.rank)}` : '–';
}

function parts(final, entries, me) {
  const head = make('h2', '', t(final ? 'board_final' : 'board'));
  if (!entries.length) return [head, make('p', 'fine', t('board_empty'))];
  const list = document.createElement('ol');
  for (const entry of entries) list.append(row(entry, entry.user === me?.user));
  if (me && !entries.some((entry) => entry.user === me.user)) {
    const mine = row(me, true);
    mine.classList.add('gap');
    list.append(mine);
  }
  return [head, list];
}

function row(entry, mine) {
  const li = make('li', mine ? 'me' : '');
  li.append(make('span', 'rank figure', num(entry.rank)), make('bdi', 'name', mine ? `${entry.name} (${t('you')})` : entry.name), make('span', 'figure', num(entry.coins)));
  return li;
}

function make(tag, name, text = '') {
  const el = document.createElement(tag);
  if (name) el.className = name;
  el.textContent = text;
  return el;
}
