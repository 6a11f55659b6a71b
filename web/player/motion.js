// The phone's motion sensor, where there is one and we may use it.

import { Detector } from './detector.js';

/** Asks for the sensor. iOS wants to be asked, and only from within a tap, so call it before anything is awaited.
 * Gives 'granted', 'denied', or 'none' where there is nothing to ask for. */
export async function permit() {
  const Motion = globalThis.DeviceMotionEvent;
  if (!Motion) return 'none';
  if (typeof Motion.requestPermission !== 'function') return 'granted';
  asked = true;
  try {
    return await Motion.requestPermission();
  } catch {
    return 'denied';
  }
}

let asked = false;

/** Whether the sensor is still to be asked for: a page that was loaded again in the middle of a round has not had the tap
 * that begins one. */
export const unasked = () => !asked && typeof globalThis.DeviceMotionEvent?.requestPermission === 'function';

/** Listens for shakes. onBeat(strength) for each, onSample(strength) for each sample. Gives stop(). */
export function listen(onBeat, onSample) {
  const detector = new Detector();
  const feed = (event) => {
    const a = event.accelerationIncludingGravity;
    if (a?.x == null || a.y == null || a.z == null) return; // browsers without a sensor send one empty event
    const beat = detector.feed(event.timeStamp, a.x, a.y, a.z);
    onSample(detector.strength);
    if (beat) onBeat(detector.strength);
  };
  addEventListener('devicemotion', feed);
  return () => removeEventListener('devicemotion', feed);
}
