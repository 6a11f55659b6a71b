// Coins that fall. One canvas, coins drawn once for each angle of their spin, a bounded number of them; nothing is
// drawn while none falls.

import { calm } from './view.js';

const angles = 12;
const most = 60; // more are not seen as more, and cheap phones feel them
const gravity = 1500; // px/s²

export class Rain {
  #canvas;
  #pen;
  #coins = [];
  #sprites = [];
  #frame = 0;
  #last = 0;
  #scale = 1;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    addEventListener('resize', () => this.#size());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (this.#sprites = []));
  }

  /** Lets n coins fall from above. */
  fall(n) {
    const w = this.#canvas.clientWidth;
    this.#add(n, () => ({ x: Math.random() * w, y: -40 - Math.random() * 160, vx: (Math.random() - 0.5) * 80, vy: 120 + Math.random() * 260 }));
  }

  /** Throws n coins up from a point. */
  burst(n, x, y) {
    this.#add(n, () => {
      const angle = -Math.PI / 2 + (Math.random() - 0.5) * 2.2;
      const speed = 500 + Math.random() * 700;
      return { x, y, vx: Math.cos(angle) * speed, vy: Math.sin(angle) * speed };
    });
  }

  #add(n, make) {
    if (calm() || document.visibilityState === 'hidden') return;
    for (let i = 0; i < n && this.#coins.length < most; i++) {
      this.#coins.push({ ...make(), size: 22 + Math.random() * 26, turn: Math.random() * angles, spin: 8 + Math.random() * 16 });
    }
    if (this.#frame || !this.#coins.length) return;
    if (!this.#sprites.length) this.#draw();
    this.#size();
    this.#last = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#step(now));
  }

  #size() {
    this.#scale = Math.min(devicePixelRatio || 1, 1.5); // coins in flight need no finer grain
    this.#canvas.width = this.#canvas.clientWidth * this.#scale;
    this.#canvas.height = this.#canvas.clientHeight * this.#scale;
  }

  #step(now) {
    const dt = Math.min(0.05, (now - this.#last) / 1000);
    this.#last = now;
    const pen = this.#pen;
    const floor = this.#canvas.clientHeight + 60;
    this.#clear();
    pen.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    for (const c of this.#coins) {
      c.vy += gravity * dt;
      c.x += c.vx * dt;
      c.y += c.vy * dt;
      c.turn = (c.turn + c.spin * dt) % angles;
      pen.drawImage(this.#sprites[Math.floor(c.turn)], c.x - c.size / 2, c.y - c.size / 2, c.size, c.size);
    }
    this.#coins = this.#coins.filter((c) => c.y < floor);
    this.#frame = this.#coins.length ? requestAnimationFrame((next) => this.#step(next)) : 0;
    if (!this.#frame) this.#clear();
  }

  #clear() {
    this.#pen.setTransform(1, 0, 0, 1, 0, 0);
    this.#pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  /** The coin at each angle of its spin. */
  #draw() {
    const px = 96;
    for (let i = 0; i < angles; i++) {
      const sprite = document.createElement('canvas');
      sprite.width = sprite.height = px;
      const pen = sprite.getContext('2d');
      const wide = Math.max(0.14, Math.abs(Math.cos((Math.PI * i) / angles)));
      pen.translate(px / 2, px / 2);
      pen.scale((wide * px) / 48, px / 48);
      const disc = (r, colour) => {
        pen.beginPath();
        pen.arc(0, 0, r, 0, 2 * Math.PI);
        pen.fillStyle = colour;
        pen.fill();
      };
      disc(23, '#8a5200');
      disc(20, i % angles === 0 ? '#ffd772' : '#ffbe2e');
      pen.strokeStyle = '#8a5200';
      pen.lineWidth = 3.6;
      pen.lineJoin = pen.lineCap = 'round';
      pen.stroke(new Path2D('M-13 2h5l4.500-11 7 18 4-11h5.500'));
      this.#sprites.push(sprite);
    }
  }
}
