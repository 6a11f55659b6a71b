import assert from 'node:assert/strict';
import test from 'node:test';

import { permit, unasked } from '../player/motion.js';

test('the sensor is asked for once, where a phone wants to be asked', async () => {
  assert.equal(unasked(), false, 'no sensor');
  globalThis.DeviceMotionEvent = class {};
  assert.equal(unasked(), false, 'a phone that does not want to be asked');
  assert.equal(await permit(), 'granted');
  let asked = 0;
  DeviceMotionEvent.requestPermission = async () => (asked++, 'granted');
  assert.equal(unasked(), true);
  assert.equal(await permit(), 'granted');
  assert.equal(unasked(), false);
  assert.equal(asked, 1);
});
