import assert from 'node:assert/strict';
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { plainModules } from '../adapter-files/adapter-file.ts';
import { openSafetensors, readFloat32 } from '../checkpoints/safetensors-file.ts';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { UserError } from '../errors.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { extractAdapter } from './extract.ts';

const BASE = 'models/tiny-llm';
const Q = 'model.layers.0.self_attn.q_proj';
const DOWN = 'model.layers.1.mlp.down_proj';
const NORM = 'model.norm.weight';
const EMBEDDING = 'model.embed_tokens.weight';

const weightsOf = (folder: string) => openSafetensors(join(folder, 'model.safetensors')).tensors;

/** A copy of the base in float32; `change` gives what is added to a weight. */
function tuned(folder: string, change: (name: string, tensor: Tensor) => Float32Array | undefined) {
  cpSync(BASE, folder, { recursive: true, filter: (path) => !/\.(ts|md|safetensors)$/.test(path) });
  const tensors = new Map(
    Array.from(weightsOf(BASE), ([name, external]): [string, Tensor] => {
      const tensor = readFloat32(external);
      const added = change(name, tensor);
      const data = added === undefined ? tensor.data : tensor.data.map((v, i) => v + added[i]);
      return [name, float32(tensor.shape, data)];
    }),
  );
  writeFileSync(join(folder, 'model.safetensors'), serialize(tensors, { format: 'pt' }));
}

/** Of rank 2: u vᵀ + w xᵀ. */
function ofRankTwo({ shape: [rows, columns] }: Tensor): Float32Array {
  const value = (i: number, j: number) =>
    0.02 * Math.sin(i + 1) * Math.cos(j) + 0.01 * Math.cos(3 * i) * Math.sin(2 * j + 1);
  return Float32Array.from({ length: rows * columns }, (_, at) =>
    value(Math.floor(at / columns), at % columns),
  );
}

test('the adapter of a tuned language model is PEFT’s folder and gives its weights back', () =>
  withFolder((folder) => {
    const model = join(folder, 'tuned');
    tuned(model, (name, tensor) => {
      if (name === `${Q}.weight` || name === `${DOWN}.weight`) return ofRankTwo(tensor);
      return name === NORM || name === EMBEDDING
        ? new Float32Array(tensor.data.length).fill(0.01)
        : undefined;
    });
    const output = join(folder, 'learnt');
    const { format, warnings, layers } = extractAdapter({
      ...{ base: BASE, tuned: model, output, kept: { rank: 2 } },
    });
    assert.equal(format, 'peft');
    assert.ok(layers.every(({ share }) => share > 0.999));
    assert.match(warnings.map(({ where }) => where).join(' '), /norm/);
    const file = openAdapter(output);
    assert.equal(file.of, 'language');
    const modules = plainModules(output, file.modules);
    assert.deepEqual(modules.map(({ path }) => path).sort(), [Q, DOWN].sort());
    for (const { path, down, up, alpha } of modules) {
      const [rank, columns] = down.shape;
      const before = readFloat32(needed(weightsOf(BASE), path));
      const after = readFloat32(needed(weightsOf(model), path));
      const [a, b] = [down.data, up.data].map((data) => Array.from(data, Number));
      let worst = 0;
      before.data.forEach((value, at) => {
        const [i, j] = [Math.floor(at / columns), at % columns];
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += b[i * rank + k] * a[k * columns + j];
        worst = Math.max(worst, Math.abs(value + (alpha / rank) * sum - after.data[at]));
      });
      // the rounding of the tuned weights to float32 is part of the difference
      assert.ok(worst < 1e-6, `${path}: ${worst}`);
    }
  }));

const needed = <T>(map: ReadonlyMap<string, T>, path: string): T => {
  const found = map.get(`${path}.weight`);
  assert.ok(found, path);
  return found;
};

test('language models that are the same, or differ in no layer of an adapter, make no adapter', () =>
  withFolder((folder) => {
    const extract = (name: string, change: Parameters<typeof tuned>[1]) => {
      tuned(join(folder, name), change);
      const output = join(folder, `${name}-out`);
      const given = { base: BASE, tuned: join(folder, name), output, kept: { rank: 2 } };
      assert.throws(
        () => extractAdapter(given),
        (error) => error instanceof UserError && /same as|none of/.test(error.problems[0].what),
      );
      assert.ok(!existsSync(output));
    };
    extract('same', () => undefined);
    extract('norm', (name, { data }) =>
      name === NORM ? new Float32Array(data.length).fill(0.1) : undefined,
    );
  }));
