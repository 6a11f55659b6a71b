// The line of a seismograph. Before the show it is the country's: coins that leave the pool shake it. While one plays
// it is one's own.

import { calm } from './view.js';

const stepPX = 3;
const fps = 30; // a pen on paper

export class Trace {
  #canvas;
  #pen;
  #values = [];
  #energy = 0;
  #phase = 0;
  #running = false;
  #colour = '';
  #box = { width: 0, height: 0 }; // reading it anew in each frame would lay the page out in each frame

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    addEventListener('resize', () => this.#running && this.#size());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#running && this.#size());
  }

  /** Shakes the pen; 1 is hard. */
  kick(strength) {
    this.#energy = Math.min(1.2, this.#energy + strength);
    if (calm() && this.#running) this.#still();
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#size();
    if (calm()) return this.#still();
    this.#step();
  }

  stop() {
    this.#running = false;
  }

  #size() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.#canvas;
    this.#box = { width: clientWidth, height: clientHeight };
    this.#canvas.width = clientWidth * scale;
    this.#canvas.height = clientHeight * scale;
    this.#pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.#colour = getComputedStyle(this.#canvas).color;
    const n = Math.ceil(clientWidth / stepPX) + 2;
    while (this.#values.length < n) this.#values.unshift(0);
    this.#values.splice(0, this.#values.length - n);
    this.#line();
  }

  /** Waits for its own time, not for each frame: frames that draw nothing cost too. */
  #step() {
    if (!this.#running) return;
    setTimeout(() => requestAnimationFrame(() => this.#step()), 1000 / fps - 8);
    this.#move();
    this.#line();
  }

  #move() {
    this.#phase++;
    const wild = Math.sin(this.#phase * 2.1) * (0.6 + 0.4 * Math.sin(this.#phase * 0.7));
    this.#values.push(this.#energy * wild + 0.03 * Math.sin(this.#phase * 0.9));
    this.#values.shift();
    this.#energy *= 0.9;
  }

  /** A picture instead of a film. */
  #still() {
    const wanted = this.#energy;
    this.#values = this.#values.map((_, i, all) => {
      const distance = Math.abs(i / all.length - 0.5);
      return Math.max(0.05, wanted, 0.5) * Math.exp(-distance * 9) * Math.sin(i * 2.1) + 0.02 * Math.sin(i);
    });
    this.#line();
  }

  #line() {
    const { width: w, height: h } = this.#box;
    const pen = this.#pen;
    pen.clearRect(0, 0, w, h);
    pen.beginPath();
    this.#values.forEach((v, i) => pen.lineTo(i * stepPX, h / 2 - v * h * 0.46));
    pen.strokeStyle = this.#colour;
    pen.lineWidth = 2.5;
    pen.lineJoin = 'round';
    pen.stroke();
  }
}

const traces = new Map();

/** The trace of a view; running it stops the others. */
export function trace(name) {
  for (const [other, one] of traces) if (other !== name) one.stop();
  if (!traces.has(name)) traces.set(name, new Trace(document.querySelector(`[data-trace="${name}"]`)));
  return traces.get(name);
}
