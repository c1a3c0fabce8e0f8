import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { picturePath } from '../adapter-files/picture-names.ts';
import { float32 } from '../tensor/tensor.ts';
import { isFoundByComfyui } from './comfyui-names.ts';

const file = JSON.parse(readFileSync('reference/golden/dotted_names.json', 'utf8')) as Record<
  string,
  { readonly comfyui: boolean; readonly forge: boolean }
>;

test('a layer is said to be found under a name where ComfyUI and Forge themselves find it', () => {
  const down = float32([1, 1], [0]);
  const others = { down, up: down, rank: 1, alpha: 1, alphaFrom: 'rank', scale: 1 } as const;
  for (const [name, { comfyui, forge }] of Object.entries(file)) {
    const found = isFoundByComfyui({ name, path: picturePath(name), ...others });
    assert.equal(comfyui, forge, name);
    assert.equal(found ?? false, comfyui, name);
  }
  assert.ok(Object.keys(file).length > 60);
});
