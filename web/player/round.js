// One round on the screen: it counts shakes from the sensor, from taps and from the space key until its time is over.

import { listen, permit, unasked } from './motion.js';
import { Ring } from './ring.js';
import * as sound from './sound.js';
import { num, t } from './text.js';
import { Timing } from './timing.js';
import { trace } from './trace.js';
import { $, calm, figure, say, show } from './view.js';

const keptKey = 'shake.round';
const tapMS = 55; // two fingers drum faster, but nothing that is meant as a shake is
const jumpMS = 100; // what the ring moves by without anybody noticing
const mostBeats = 500; // the server takes 4 KiB; more shakes go without their times

/** Beats that an earlier page of this tab counted in this round. */
export function kept(round) {
  try {
    const stored = JSON.parse(sessionStorage.getItem(keptKey));
    return stored?.round === round.round ? stored.beats : [];
  } catch {
    return [];
  }
}

/** Plays a round to its end. told is when it was asked for and answered, as Timing takes it. Gives {shakes, beats}. */
export function play(round, clock, rain, told) {
  return new Promise((resolve) => new Playing(round, new Timing(round, clock, told), rain, resolve).begin());
}

class Playing {
  #beats;
  #endsMS = 0; // what the ring was told, by performance.now()
  #lastTap = 0;
  #lastPress = 0;
  #stops = [];
  #saving;
  #kick;
  #ticking;
  #ending;
  #over = false;

  constructor(round, time, rain, done) {
    Object.assign(this, { round, time, rain, done });
    this.#beats = kept(round);
  }

  begin() {
    show('play');
    figure($('shakes'), num(this.#beats.length));
    $('play-hint').textContent = t('hint_tap');
    $('pad').focus({ preventScroll: true });
    this.line = trace('play');
    this.line.start();
    this.#listen();
    this.#on($('pad'), 'click', () => this.#ask());
    this.#on($('pad'), 'pointerdown', (event) => {
      event.preventDefault();
      this.#tap();
    });
    this.#on(window, 'keydown', (event) => {
      if (event.code !== 'Space' && !(event.code === 'Enter' && event.target === $('pad'))) return;
      event.preventDefault();
      if (!event.repeat) this.#tap();
    });
    this.#on($('pad'), 'click', () => performance.now() - this.#lastPress > 500 && this.#tap()); // screen readers click only
    this.#on(window, 'pagehide', () => this.#save());
    this.ring = new Ring();
    this.#stops.push(() => this.ring.stop(), () => clearTimeout(this.#ticking), () => clearTimeout(this.#ending));
    this.#second();
  }

  #on(target, name, fn) {
    target.addEventListener(name, fn);
    this.#stops.push(() => target.removeEventListener(name, fn));
  }

  #listen() {
    this.#stops.push(listen(() => this.#beat(), (strength) => this.#feel(strength)));
  }

  /** Asks for the sensor within a tap on the circle, where nobody has: iOS lets it in for one page, not for the next. */
  async #ask() {
    if (!unasked()) return;
    const heard = this.#stops[0]; // who listened before the answer hears nothing on some phones
    if ((await permit()) !== 'granted' || this.#over) return;
    heard();
    this.#listen();
  }

  #feel(strength) {
    if ($('play-hint').dataset.by !== 'motion') {
      $('play-hint').dataset.by = 'motion';
      $('play-hint').textContent = t('hint_motion');
    }
    if (strength > 3) this.line.kick(strength / 300);
  }

  #tap() {
    this.#lastPress = performance.now();
    if (this.#lastPress - this.#lastTap < tapMS) return;
    this.#lastTap = this.#lastPress;
    this.line.kick(0.45);
    this.#beat();
  }

  #beat() {
    const at = Math.round(this.time.passedMS);
    if (at < 0 || this.time.leftMS <= 0) return;
    this.#beats.push(Math.max(at, this.#beats.at(-1) ?? 0));
    figure($('shakes'), num(this.#beats.length));
    this.rain.fall(3);
    sound.tick(this.#beats.length);
    if (!calm()) {
      navigator.vibrate?.(18);
      const side = this.#beats.length % 2 ? 1 : -1;
      this.#kick?.cancel(); // two at once would be mixed by the page, one is moved without it
      this.#kick = $('pad').animate({ transform: [`rotate(${5 * side}deg) scale(1.06)`, 'none'] }, { duration: 300, easing: 'cubic-bezier(0.2, 0.8, 0.3, 1)' });
    }
    this.#saving ??= setTimeout(() => this.#save(), 250);
  }

  /** What is counted outlives a reload. */
  #save() {
    this.#saving = undefined;
    try {
      sessionStorage.setItem(keptKey, JSON.stringify({ round: this.round.round, beats: this.#beats }));
    } catch {
      // then it lives as long as the page
    }
  }

  /** Writes the seconds that are left, once for each. */
  #second() {
    const left = this.time.leftMS; // a timer may have slept, or the clock was measured anew
    if (!left) return this.#end();
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => this.time.leftMS || this.#end(), left);
    const ends = performance.now() + left;
    if (!calm() && Math.abs(ends - this.#endsMS) > jumpMS) this.ring.run(this.time.lengthMS, this.time.passedMS);
    this.#endsMS = ends;
    const seconds = Math.ceil(left / 1000);
    figure($('left-n'), num(seconds));
    $('left-word').textContent = t('seconds_left', { n: seconds });
    if (seconds > 0 && seconds % 5 === 0) say(t('say_left', { n: seconds }));
    if (calm()) this.ring.at(1 - left / this.time.lengthMS);
    this.#ticking = setTimeout(() => this.#second(), (left % 1000) + 5);
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#saving);
    this.#save();
    for (const stop of this.#stops) stop();
    this.line.stop();
    delete $('play-hint').dataset.by;
    this.done(counted(this.#beats));
  }
}

/** What is sent for the beats of a round. */
export const counted = (beats) => ({ shakes: beats.length, beats: beats.length <= mostBeats ? beats : undefined });
