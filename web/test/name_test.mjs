import assert from 'node:assert/strict';
import test from 'node:test';

import { idOf } from '../player/name.js';

test('a name keeps its letters, as people write them without accents', () => {
  for (const [name, id] of Object.entries({
    'Łukasz Żółć': 'Lukasz-Zolc', 'Đặng Thị Ánh': 'Dang-Thi-Anh', 'Søren Ærø': 'Soren-Aero', 'Straße': 'Strasse', 'Þór': 'Thor', 'ırmak Işık': 'irmak-Isik', 'João': 'Joao', 'Œuvre': 'Oeuvre',
    'ﬁn': 'fin', ' ann.b_c-1 ': 'ann.b_c-1', '__x': 'x', '🙂🙂': '', '  ': '',
  })) assert.equal(idOf(name), id, name);
});

test('a name in another script gets a number, the same each time', () => {
  assert.match(idOf('สมชาย'), /^player-\d+$/);
  assert.equal(idOf('小明'), idOf('小明'));
  assert.notEqual(idOf('小明'), idOf('小红'));
});
