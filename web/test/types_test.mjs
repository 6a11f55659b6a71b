import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import * as sdk from '../sdk/client.js';

const read = (name) => readFileSync(new URL(`../sdk/${name}`, import.meta.url), 'utf8');
const types = read('client.d.ts');
const readme = read('README.md');

test('the types declare what the code exports, and nothing else', () => {
  const declared = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(declared.sort(), Object.keys(sdk).sort());
  for (const name of ['Session', 'Notices', 'Problem']) {
    const block = new RegExp(`export class ${name} [^]*?\\n}`).exec(types)[0];
    for (const method of Object.getOwnPropertyNames(sdk[name].prototype).filter((one) => one !== 'constructor')) assert.match(block, new RegExp(`\\b${method}\\b`), `${name}.${method}`);
    const methods = [...block.matchAll(/^  (\w+)\(/gm)].map((m) => m[1]);
    for (const method of methods) assert.ok(method in sdk[name].prototype, `${name}.${method} is declared`);
  }
});

test('the reference names all of it', () => {
  for (const name of Object.keys(sdk)) assert.ok(readme.includes(`\`${name}\``), name);
  for (const method of Object.getOwnPropertyNames(sdk.Session.prototype)) if (method !== 'constructor') assert.match(readme, new RegExp(`session\\.${method}\\(|\`${method}\\(`), method);
});

test('what the package lists is what its modules need', () => {
  const { files, types: declared, main } = JSON.parse(read('package.json'));
  for (const name of [declared, main]) assert.ok(files.includes(name) || (name.endsWith('.js') && files.includes('*.js')), name);
});
