// The canvas that coins fall on. A worker draws it where the browser lets workers draw, so that coins cost the thread
// that counts shakes nothing; elsewhere the page draws it. Nothing of it is made before the first coin.

import { Coins } from './coins.js';
import { calm } from './view.js';

export class Rain {
  #canvas;
  #coins = null;

  constructor(canvas) {
    this.#canvas = canvas;
    addEventListener('resize', () => this.#size());
  }

  /** Makes ready for coins that come soon. */
  prepare() {
    if (this.#coins || calm()) return;
    this.#coins = this.#worker() ?? this.#here();
    this.#size();
  }

  /** Lets n coins fall from above. */
  fall(n) {
    if (this.#wanted()) this.#coins.fall(n);
  }

  /** Throws n coins up from a point. */
  burst(n, x, y) {
    if (this.#wanted()) this.#coins.burst(n, x, y);
  }

  #wanted() {
    if (calm() || document.visibilityState === 'hidden') return false;
    this.prepare();
    return true;
  }

  #size() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#coins?.resize({ width, height, density: devicePixelRatio || 1 });
  }

  /** Coins that the page draws itself. */
  #here() {
    document.body.dataset.coins = 'page';
    return new Coins(this.#canvas);
  }

  /** Coins that live in a worker, or nothing. */
  #worker() {
    if (!globalThis.Worker || !globalThis.OffscreenCanvas || !this.#canvas.transferControlToOffscreen) return null;
    let worker;
    try {
      worker = new Worker(new URL('./rain-worker.js', import.meta.url), { type: 'module' });
      const canvas = this.#canvas.transferControlToOffscreen();
      worker.postMessage(['begin', canvas], [canvas]);
    } catch {
      worker?.terminate();
      return null;
    }
    worker.addEventListener('error', () => this.#replace(worker), { once: true });
    document.body.dataset.coins = 'worker';
    const tell = (...message) => worker.postMessage(message);
    return { resize: (size) => tell('resize', size), fall: (n) => tell('fall', n), burst: (n, x, y) => tell('burst', n, x, y) };
  }

  /** A canvas that was handed over does not come back, so one that its worker can't draw on gives way to a new one. */
  #replace(worker) {
    worker.terminate();
    const fresh = this.#canvas.cloneNode();
    this.#canvas.replaceWith(fresh);
    this.#canvas = fresh;
    this.#coins = this.#here();
    this.#size();
  }
}
