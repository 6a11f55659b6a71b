// Draws coins off the page's thread. A message is the name of what to do and what goes with it.

import { Coins } from './coins.js';

let coins;

addEventListener('message', ({ data: [what, ...rest] }) => {
  if (what === 'begin') {
    coins = new Coins(rest[0]);
    return;
  }
  coins[what](...rest);
});
