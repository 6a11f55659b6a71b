// The ring around the circle: what is left of a round. Two halves, each behind a window of its own side, turn away one
// after the other and a coin rolls ahead of them: turning is all that happens, so the browser needs no new picture and
// no script in any frame.

import { $ } from './view.js';

const turned = (degrees) => `rotate(${degrees}deg)`;
const rolled = (degrees) => `${turned(degrees)} translateY(-477%)`; // in coins: the middle of the ring is so far out

export class Ring {
  #turns = [];

  /** Runs from full to empty in ms, beginning where it stands after the first `since` of them. */
  run(ms, since) {
    this.stop();
    const half = ms / 2;
    this.#turn('ring-left', [turned(0), turned(-180)], { duration: half });
    this.#turn('ring-right', [turned(0), turned(-180)], { duration: half, delay: half });
    this.#turn('ring-coin', [rolled(0), rolled(-180), rolled(-360)], { duration: ms });
    for (const turn of this.#turns) turn.currentTime = since;
  }

  #turn(id, transform, time) {
    this.#turns.push($(id).animate({ transform }, { ...time, fill: 'both' }));
  }

  /** Stands where it is after a part of the time. */
  at(part) {
    $('ring-left').style.transform = turned(-360 * Math.min(part, 0.5));
    $('ring-right').style.transform = turned(-360 * Math.max(0, part - 0.5));
    $('ring-coin').style.transform = rolled(-360 * part);
  }

  stop() {
    for (const turn of this.#turns) turn.cancel();
    this.#turns = [];
  }
}
