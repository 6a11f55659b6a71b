// Short messages, one after the other, each for as long as it takes to read it.

const readMS = 6000; // nobody else waits
const nextMS = 3000; // somebody does
const enoughMS = 1200; // somebody can have read it
const most = 32; // that wait; who comes then is not taken, and comes again later
const single = 2; // more that wait are told as one
const lookMS = 200;

/** A queue of messages for one place. put(message) shows one and put(null) none; ready() tells whether it can be read now:
 * its time goes on only then. sum(messages) makes one of those that can be told together. */
export class Toasts {
  #put;
  #ready;
  #sum;
  #waiting = [];
  #now = null; // what is shown
  #timer;

  constructor({ put, ready, sum }) {
    this.#put = put;
    this.#ready = ready;
    this.#sum = sum;
  }

  /** Takes a message. Tells, when it is over, whether it was shown for long enough. One that is urgent answers what somebody
   * has just pressed, and is next. */
  add(message, { urgent = false } = {}) {
    if (this.#waiting.length >= most) return Promise.resolve(false);
    return new Promise((done) => {
      this.#waiting[urgent ? 'unshift' : 'push']({ message, done, shownMS: 0 });
      this.#look();
    });
  }

  /** Takes away what is shown: somebody has read it. */
  close() {
    if (!this.#now) return;
    this.#told();
    this.#now = null;
    this.#look();
  }

  #look() {
    if (this.#now?.shownMS >= (this.#waiting.length ? nextMS : readMS)) this.#now = null;
    if (!this.#now) this.#next();
    this.#timer ??= this.#now || this.#waiting.length ? setInterval(() => this.#tick(), lookMS) : undefined;
  }

  #tick() {
    if (this.#now && this.#ready()) {
      this.#now.shownMS += lookMS;
      if (this.#now.shownMS >= enoughMS) this.#told();
    }
    this.#look();
    if (this.#now || this.#waiting.length) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #told() {
    for (const { done } of this.#now.of) done(true);
    this.#now.of = [];
  }

  #next() {
    const first = this.#waiting.length && this.#ready() ? this.#waiting.shift() : null;
    if (!first) return this.#put(null);
    const alike = first.message.kind ? this.#waiting.filter(({ message }) => message.kind === first.message.kind) : [];
    const together = alike.length >= single ? alike : [];
    this.#waiting = this.#waiting.filter((one) => !together.includes(one));
    const of = [first, ...together];
    this.#now = { of, shownMS: 0 };
    this.#put(together.length ? this.#sum(of.map(({ message }) => message)) : first.message);
  }
}
