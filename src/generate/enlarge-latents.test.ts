import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hashedUniforms } from '../models/hashed-weights.test-util.ts';
import { deserialize } from '../tensor/safetensors.ts';
import { enlargeLatents, latentUpscalers } from './enlarge-latents.ts';

test('latents are enlarged as PyTorch enlarges them, by every upscaler', () => {
  const golden = deserialize(readFileSync('reference/golden/enlarged_latents.safetensors')).tensors;
  const latents = hashedUniforms('picture', 4 * 6 * 5);
  assert.equal(golden.size, 4 * Object.keys(latentUpscalers).length);
  for (const [name, { data }] of golden) {
    const [upscaler, size] = name.split('/');
    const [height, width] = size.split('x').map(Number);
    // the names in the file are those of the table
    const known = upscaler as keyof typeof latentUpscalers;
    const found = enlargeLatents(latents, [4, 6, 5], { height, width }, known);
    assert.equal(found.length, data.length);
    // weights in float32 there
    found.forEach((x, i) => assert.ok(Math.abs(x - Number(data[i])) < 2e-6, `${name} ${i}`));
  }
});
