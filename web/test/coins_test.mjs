import assert from 'node:assert/strict';
import test from 'node:test';

globalThis.Path2D ??= class {};
const { Coins, levels } = await import('../player/coins.js');

/** Coins on a canvas that only counts, with frames that come when we say so. */
function world() {
  const drawn = { cleared: 0, coins: 0 };
  const pen = new Proxy({}, { get: (_, name) => (name === 'drawImage' ? () => drawn.coins++ : name === 'clearRect' ? () => drawn.cleared++ : () => {}), set: () => true });
  const surface = () => ({ getContext: () => pen });
  let waiting = null;
  const canvas = { width: 0, height: 0, getContext: () => pen };
  const coins = new Coins(canvas, { nextFrame: (draw) => (waiting = draw), surface });
  coins.resize({ width: 390, height: 844, density: 3 });
  let now = 1000;
  const frames = (n, ms) => {
    for (let i = 0; i < n && waiting; i++) {
      const draw = waiting;
      waiting = null;
      draw((now += ms));
    }
    return waiting !== null;
  };
  return { coins, canvas, drawn, frames };
}

test('coins fall out of sight, and then nothing is drawn', () => {
  const { coins, drawn, frames } = world();
  coins.fall(5);
  assert.equal(coins.count, 5);
  assert.ok(frames(10, 16), 'frames are asked for while coins fall');
  assert.equal(drawn.coins, 50);
  assert.equal(frames(600, 16), false, 'frames are still asked for');
  assert.equal(coins.count, 0);
  const { cleared } = drawn;
  coins.burst(3, 195, 300);
  assert.ok(frames(1, 16) && drawn.cleared === cleared + 1, 'later coins start it again');
});

test('there are never more coins than are seen as more', () => {
  const { coins } = world();
  for (let i = 0; i < 100; i++) coins.fall(3);
  assert.equal(coins.count, levels[0].most);
});

test('a device that does not keep up gets fewer coins and a coarser canvas, and keeps them so', () => {
  const { coins, canvas, frames } = world();
  const fine = canvas.width;
  const rain = (n, ms) => {
    for (let i = 0; i < n; i++) {
      coins.fall(3);
      frames(1, ms);
    }
  };
  rain(100, 16.7);
  assert.equal(coins.level, 0, '60 frames a second are enough');
  rain(3, 90);
  rain(40, 16.7);
  assert.equal(coins.level, 0, 'a hiccup is no reason');
  rain(40, 34);
  assert.equal(coins.level, 2, '30 are not');
  assert.ok(canvas.width < fine, `the canvas is ${canvas.width} wide, was ${fine}`);
  rain(100, 16.7);
  assert.equal(coins.level, 2, 'and nothing flickers back');
  rain(200, 34);
  assert.ok(coins.count <= levels[2].most);
});

test('a page that was away is not a slow one', () => {
  const { coins, frames } = world();
  for (let i = 0; i < 40; i++) {
    coins.fall(1);
    frames(1, 2000);
  }
  assert.equal(coins.level, 0);
});
