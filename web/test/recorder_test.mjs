import assert from 'node:assert/strict';
import test from 'node:test';

const { file, record } = await import('../player/recorder.js');

test('what is recorded is what the tests read', () => {
  const target = new EventTarget();
  const stop = record(target);
  const tell = (timeStamp, accelerationIncludingGravity) => {
    const event = new Event('devicemotion');
    Object.defineProperties(event, { timeStamp: { value: timeStamp }, accelerationIncludingGravity: { value: accelerationIncludingGravity } });
    target.dispatchEvent(event);
  };
  tell(5000, { x: null, y: null, z: null }); // a browser without a sensor
  tell(5016.6, { x: 1, y: 9.80665, z: -0.00049 });
  tell(5033.2, { x: 2, y: 9, z: 0 });
  const samples = stop();
  tell(5050, { x: 3, y: 9, z: 0 });
  const kept = JSON.parse(file('shaking', 7, samples, 'a phone'));
  assert.deepEqual(kept, { kind: 'shaking', shakes: [6, 8], source: 'a phone', samples: [[0, 1, 9.807, 0], [16.6, 2, 9, 0]] });
});
