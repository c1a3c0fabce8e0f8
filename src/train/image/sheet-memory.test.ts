import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadStableDiffusion } from '../../checkpoints/stable-diffusion.ts';
import { parseConfig } from '../../config/load.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import { writeSmallBase } from '../testing/small-base.ts';
import { sheetBytes } from './sheet-memory.ts';
import { withResolution } from './sizes.ts';

const root = mkdtempSync(join(tmpdir(), 'sheet-memory-'));
after(() => rmSync(root, { recursive: true, force: true }));
writeSmallBase(join(root, 'base'));
const base = loadStableDiffusion(join(root, 'base'));
const runtime = cpuRuntime(1);

function bytes(
  prompts: number,
  more: Readonly<Record<string, unknown>> = {},
  model = base,
): number {
  const { config } = parseConfig({
    base_model: join(root, 'base'),
    train_data_dir: root,
    output_dir: join(root, 'out'),
    sample_prompts: Array.from({ length: prompts }, (_, i) => `cat ${i}`),
    ...more,
  });
  return sheetBytes(runtime, model, withResolution(config, model.config));
}

test('a run that draws nothing takes nothing for drawing', () => assert.equal(bytes(0), 0));

test('more prompts take more, up to as many pictures as are drawn at once', () => {
  const each = [1, 2, 4, 8, 100].map((prompts) => bytes(prompts));
  assert.ok(each[0] > 0);
  assert.ok(each[0] < each[1] && each[1] < each[2], each.join());
  assert.deepEqual(each.slice(3), [each[2], each[2]]);
});

test('guidance draws each picture twice; none draws it once', () => {
  assert.equal(bytes(1, { sample_cfg: 1 }) < bytes(1, { sample_cfg: 4 }), true);
  assert.equal(bytes(2, { sample_cfg: 1 }), bytes(1, { sample_cfg: 4 }));
});

test('what is trained makes no difference: pictures are drawn at the size of the model', () => {
  assert.equal(bytes(2, { resolution: 64, batch_size: 8 }), bytes(2, { resolution: 32 }));
});

test('a model of many bytes draws one picture at a time, one model after the other', () => {
  const [one] = base.weights.values();
  const much = { ...one, dtype: 'float32', shape: [2 ** 28 + 1] } as const;
  const large = { ...base, weights: new Map([...base.weights, ['much', much]]) };
  assert.ok(bytes(4, {}, large) < bytes(4), `${bytes(4, {}, large)} and ${bytes(4)}`);
  assert.equal(bytes(4, {}, large), bytes(1, {}, large));
});
