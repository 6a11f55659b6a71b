// Asking again by itself while a server is busy or a network is away, and at once when somebody presses the button.

import { backoff, nap, Problem } from '../sdk/http.js';

const soonestMS = 1000; // between two tries, however often a button is pressed or a network comes back
const capMS = 30_000;

/** Asks so many times at most, until it is answered or refused for good. show(code, now) hears why there is no answer yet;
 * now() asks at once. worth(problem) tells whether to go on by itself, ready() holds a try up. */
export async function patiently(ask, { tries, show, worth = () => true, ready = async () => {} }) {
  for (let n = 0; ; n++) {
    await ready();
    const asked = performance.now();
    try {
      return await ask();
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.passes || !worth(problem) || n >= tries - 1) throw problem;
      const pressed = new AbortController();
      show(problem.code, () => pressed.abort());
      const afterMS = problem.retryAfterMS;
      const online = await nap(backoff(n, { baseMS: 2 * soonestMS, capMS, afterMS }), pressed.signal, afterMS).catch(() => false);
      if (online) await nap(soonestMS * Math.random(), pressed.signal).catch(() => {}); // so do others in this train
      const rest = soonestMS - (performance.now() - asked);
      if (rest > 0) await nap(rest, undefined, rest);
    }
  }
}
