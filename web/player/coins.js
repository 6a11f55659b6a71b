// The coins that fall: where they are and how they are drawn. Runs in a worker, or on the page where workers can't draw.
// Coins are drawn once for each angle of their spin; nothing is drawn while none falls.

const angles = 12;
const gravity = 1500; // px/s²
const spritePX = 72; // as big as a coin gets
const edge = '#8a5200';

// More coins are not seen as more, and coins in flight need no finer grain. A device that can't keep up gets less.
export const levels = [
  { most: 60, scale: 1.5 },
  { most: 40, scale: 1 },
  { most: 20, scale: 0.75 },
];
const slowMS = 24; // a frame that takes longer is one that people see
const memory = 0.08; // how much one frame tells: some twelve are remembered
const tooMany = 0.6; // slow ones of those

export class Coins {
  #canvas;
  #pen;
  #coins = [];
  #sprites = [];
  #waiting = false;
  #last = 0;
  #size = { width: 0, height: 0, density: 1 };
  #scale = 1;
  #slow = 0;
  #nextFrame;
  #surface;

  /** nextFrame and surface are for tests. */
  constructor(canvas, { nextFrame = (draw) => requestAnimationFrame(draw), surface = blank } = {}) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    this.#nextFrame = nextFrame;
    this.#surface = surface;
    this.level = 0;
  }

  get count() {
    return this.#coins.length;
  }

  /** Tells how large the canvas is on the screen, in CSS pixels, and how many of the screen's go into one. */
  resize(size) {
    this.#size = size;
    this.#fit();
  }

  /** Lets n coins fall from above. */
  fall(n) {
    this.#add(n, () => ({ x: Math.random() * this.#size.width, y: -40 - Math.random() * 160, vx: (Math.random() - 0.5) * 80, vy: 120 + Math.random() * 260 }));
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
    for (let i = 0; i < n && this.#coins.length < levels[this.level].most; i++) {
      this.#coins.push({ ...make(), size: 22 + Math.random() * 26, turn: Math.random() * angles, spin: 8 + Math.random() * 16 });
    }
    if (this.#waiting || !this.#coins.length) return;
    if (!this.#sprites.length) this.#draw();
    this.#last = 0;
    this.#ask();
  }

  #ask() {
    this.#waiting = true;
    this.#nextFrame((now) => this.#step(now));
  }

  #fit() {
    const { width, height, density } = this.#size;
    this.#scale = Math.min(density, levels[this.level].scale);
    this.#canvas.width = Math.ceil(width * this.#scale);
    this.#canvas.height = Math.ceil(height * this.#scale);
  }

  #step(now) {
    this.#waiting = false;
    const took = this.#last ? now - this.#last : 0;
    this.#last = now;
    this.#judge(took);
    const dt = Math.min(0.05, took / 1000);
    const floor = this.#size.height + 60;
    const pen = this.#pen;
    const scale = this.#scale;
    pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    let kept = 0;
    for (const c of this.#coins) {
      c.vy += gravity * dt;
      c.x += c.vx * dt;
      c.y += c.vy * dt;
      c.turn = (c.turn + c.spin * dt) % angles;
      if (c.y >= floor) continue;
      this.#coins[kept++] = c;
      const px = c.size * scale;
      pen.drawImage(this.#sprites[Math.floor(c.turn)], c.x * scale - px / 2, c.y * scale - px / 2, px, px);
    }
    this.#coins.length = kept;
    if (kept) this.#ask();
  }

  /** Takes grain and coins away from a device that does not keep up. It does not get them back, or both would flicker. */
  #judge(took) {
    if (!took || took > 250) return; // the page was away
    this.#slow += memory * ((took > slowMS) - this.#slow);
    if (this.#slow < tooMany || this.level === levels.length - 1) return;
    this.level++;
    this.#slow = 0;
    this.#fit();
  }

  #draw() {
    for (let i = 0; i < angles; i++) {
      const sprite = this.#surface(spritePX);
      coin(sprite.getContext('2d'), i);
      this.#sprites.push(sprite);
    }
  }
}

/** Draws the coin at one angle of its spin. */
function coin(pen, i) {
  const wide = Math.max(0.14, Math.abs(Math.cos((Math.PI * i) / angles)));
  pen.translate(spritePX / 2, spritePX / 2);
  pen.scale((wide * spritePX) / 48, spritePX / 48);
  const disc = (r, colour) => {
    pen.beginPath();
    pen.arc(0, 0, r, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
  };
  disc(23, edge);
  disc(20, i === 0 ? '#ffd772' : '#ffbe2e');
  pen.strokeStyle = edge;
  pen.lineWidth = 3.6;
  pen.lineJoin = pen.lineCap = 'round';
  pen.stroke(new Path2D('M-13 2h5l4.500-11 7 18 4-11h5.500'));
}

function blank(px) {
  if (globalThis.OffscreenCanvas) return new OffscreenCanvas(px, px);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = px;
  return canvas;
}
