// Adapters whose start changed their base, against PEFT's own reload (reference/peft_starts.py).

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadLanguageModel } from '../checkpoints/hf-folder.ts';
import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import { write } from '../checkpoints/small-model.test-util.ts';
import { adapterOf, openModel } from '../eval/open-model.ts';
import { CachedModel } from '../generate/text/cached-model.ts';
import { toFloat32 } from '../tensor/half.ts';
import { deserialize } from '../tensor/safetensors.ts';
import { float32 } from '../tensor/tensor.ts';
import { trainTextWithBatches } from '../train/text/given-batches.ts';
import { needed } from '../util/needed.ts';
import { norm, principalVectors, timesTransposed } from '../util/principal-vectors.ts';
import { fitted } from './adapter-fit.ts';
import { readAdapterFolder } from '../adapter-files/adapter-folder.ts';
import { exportGguf } from './export-gguf.ts';
import { golden, writeTinyModel } from './language-model.test-util.ts';
import { loraScale } from '../adapter-files/language-lora.ts';
import { mergeLora } from './merge.ts';
import { openModelFiles } from './model-files.ts';
import { fields } from '../adapter-files/peft-config.ts';
import { plainLora, type OnLayer } from './start.ts';
import { cpuRuntime } from '../runtime/runtime.ts';

const { tensors } = deserialize(
  new Uint8Array(readFileSync('reference/golden/peft_starts/golden.safetensors')),
);

const expected = (name: string) => toFloat32(needed(tensors, name, 'golden tensor')).data;

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

/** A base, and a copy of the adapter that PEFT saved. */
async function withStart(
  name: string,
  use: (folder: string, base: string, adapter: string) => void | Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'start-'));
  const [base, adapter] = [join(folder, 'base'), join(folder, 'adapter')];
  try {
    writeTinyModel(base, 'llama');
    cpSync(join('reference/golden/peft_starts', name), adapter, { recursive: true });
    await use(folder, base, adapter);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Float32 sums in another order, and PEFT's singular vectors are float32. */
const TOLERANCE = 1e-5;

for (const name of ['pissa', 'olora']) {
  test(`${name}: merged, it is what PEFT merges, not the base moved by its start`, async () => {
    await withStart(name, (folder, base, adapter) => {
      const output = join(folder, 'merged');
      mergeLora({ base, lora: readAdapterFolder(adapter), output });
      const merged = openModelFiles(output);
      for (const path of ['model.layers.0.mlp.down_proj', 'model.layers.1.self_attn.q_proj']) {
        const { data } = readFloat32(needed(merged.tensors, `${path}.weight`, 'weight'));
        const far = distance(data, expected(`${name}.${path}.weight`));
        assert.ok(far < TOLERANCE, `${path}: ${far}`);
      }
    });
  });

  test(`${name}: beside its base it gives the logits of PEFT's reload`, async () => {
    await withStart(name, async (_, base, adapter) => {
      const model = loadLanguageModel(base);
      const lora = fitted(
        { ...model, tensors: model.weights },
        readAdapterFolder(adapter),
        model.weights,
      );
      const mix = [{ adapter: adapterOf('lora', lora), strength: 1 }];
      const run = new CachedModel(model.config, {
        weights: model.weights,
        runtime: cpuRuntime(1),
        chunks: [8],
        capacity: 8,
      });
      const logits = await run.feed([...golden.prompt], mix);
      const far = distance(logits, expected(`${name}.logits`));
      assert.ok(far < 5e-5, `${far}`);
      await run.release();
    });
  });

  test(`${name}: as GGUF it is a plain adapter of twice the rank`, async () => {
    await withStart(name, (_, base, adapter) => {
      const [stored] = readAdapterFolder(adapter).modules;
      const { file, layers } = exportGguf({ path: adapter, base });
      assert.equal(layers, 4);
      assert.ok(
        readFileSync(file).length > 2 * 4 * (stored.down.data.length + stored.up.data.length),
      );
    });
  });
}

test('an adapter that changed its base was computed in silence, for minutes of a large model', async () => {
  await withStart('pissa', (folder, base, adapter) => {
    const layers = readAdapterFolder(adapter).modules.length;
    const expectedCalls = Array.from({ length: layers + 1 }, (_, done) => [done, layers]);
    const uses: readonly ((onLayer: OnLayer) => unknown)[] = [
      (onLayer) => exportGguf({ path: adapter, base, onLayer }),
      (onLayer) => openModel({ adapter, baseModel: base, onLayer }),
      (onLayer) => {
        const lora = readAdapterFolder(adapter);
        return mergeLora({ base, lora, output: join(folder, 'merged'), onLayer });
      },
    ];
    for (const use of uses) {
      const calls: number[][] = [];
      use((...call) => calls.push(call));
      assert.deepEqual(calls, expectedCalls);
    }
  });
});

test('training goes on from it with twice its rank, and says so at another one', async () => {
  await withStart('olora', (_, base, adapter) => {
    const begin = (lora_rank: number) =>
      trainTextWithBatches(
        {
          base_model: base,
          max_train_steps: 1,
          lora_rank,
          target_modules: ['q_proj', 'down_proj'],
        },
        { initial: adapter, batchesAt: () => [] },
      );
    begin(6);
    assert.throws(() => begin(3), /is \[6,96\][^]*Set lora_rank to 6\. .* twice that of its file/);
  });
});

test('an adapter that was never trained leaves its base as it is', () => {
  const [rows, columns] = [24, 40];
  const weight = float32(
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => Math.sin(i * i + 1)),
  );
  for (const rslora of [false, true]) {
    const { vectors } = principalVectors({ rows, columns, data: weight.data }, 3);
    const scale = rslora ? 5 / Math.sqrt(3) : 5 / 3;
    const images = vectors.map((vector) =>
      timesTransposed({ rows, columns, data: weight.data }, vector),
    );
    const down = float32(
      [3, columns],
      images.flatMap((image) => [...image]),
    );
    const up = float32(
      [rows, 3],
      Array.from({ length: rows * 3 }, (_, i) => vectors[i % 3][Math.floor(i / 3)] / scale),
    );
    const stored = {
      modules: [{ path: 'x', down, up, alpha: 5 }],
      rslora,
      start: 'pissa',
    } as const;
    const { modules } = plainLora(stored, () => weight, assert.fail);
    assert.deepEqual(modules[0].down.shape, [6, columns]);
    assert.ok(Math.abs(loraScale(modules[0], rslora) - scale) < 1e-12);
    const [a, b] = [modules[0].down.data, modules[0].up.data];
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let r = 0; r < 6; r++) sum += Number(b[row * 6 + r]) * Number(a[r * columns + column]);
        assert.ok(Math.abs(sum) < 1e-6, `${row}, ${column}: ${sum}`);
      }
  }
});

test('a start that rounding decides is refused, with the layer', () => {
  const same = float32([4, 4], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  const twice = float32([4, 4], [1, 1, 0, 0, 2, 2, 1, 0, 3, 3, 0, 1, 4, 4, 0, 0]);
  const module = {
    path: 'x',
    down: float32([2, 4], new Float32Array(8)),
    up: float32([4, 2], new Float32Array(8)),
    alpha: 2,
  };
  for (const [start, weight, message, alpha] of [
    ['pissa', same, /singular values 2 and 3 are nearly equal/, 2],
    ['olora', twice, /column 2 is a sum of those before/, 2],
    ['pissa', twice, /its scale is 0/, 0],
  ] as const) {
    const said: string[] = [];
    const stored = { modules: [{ ...module, alpha }], rslora: false, start };
    plainLora(
      stored,
      () => weight,
      (path, what) => said.push(`${path}: ${what}`),
    );
    assert.match(said.join(), message);
  }
});

test('principal vectors: equal values, close ones, zeros, either side', () => {
  const rotate = (i: number, j: number, size: number) =>
    Math.sqrt(2 / (size + 1)) * Math.sin((Math.PI * (i + 1) * (j + 1)) / (size + 1));
  for (const [rows, columns] of [
    [30, 50],
    [50, 30],
  ])
    for (const values of [
      [9, 9 - 1e-4, 8, 3, 3 - 1e-5],
      [5, 4, 0, 0, 0],
      Array.from({ length: 30 }, (_, i) => 30 - i),
    ]) {
      const data = Float32Array.from({ length: rows * columns }, (_, at) => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        return values.reduce(
          (sum, value, k) => sum + value * rotate(row, k, rows) * rotate(column, k, columns),
          0,
        );
      });
      const { vectors, side } = principalVectors({ rows, columns, data }, 2);
      assert.equal(side, rows < columns ? 'left' : 'right');
      vectors.forEach((vector, k) => {
        assert.ok(Math.abs(norm(vector) - 1) < 1e-9);
        const along = vector.reduce((sum, one, i) => sum + one * rotate(i, k, vector.length), 0);
        assert.ok(Math.abs(Math.abs(along) - 1) < 1e-2, `${values[k]}: ${along}`);
      });
    }
});

test("every field of PEFT's LoraConfig is known, those of the first versions too", () => {
  // reference/peft_starts.py writes exactly this
  const { fields: newest } = JSON.parse(
    readFileSync('reference/golden/peft_starts/golden.json', 'utf8'),
  ) as { fields: string[] };
  assert.ok(newest.length > 40);
  for (const name of [...newest, 'enable_lora', 'merge_weights'])
    assert.ok(Object.hasOwn(fields, name), name);
});

test('every field that may hold more than plain LoRA is refused by its name, empty ones are not', async () => {
  await withStart('pissa', (_, base, adapter) => {
    const path = join(adapter, 'adapter_config.json');
    const saved = JSON.parse(readFileSync(path, 'utf8')) as object;
    const set = (changes: object) => write(path, JSON.stringify({ ...saved, ...changes }));
    for (const [name, field] of Object.entries(fields)) {
      if (field.is === 'read') continue;
      const empty = [null, false, [], {}, ''];
      for (const value of empty) {
        set({ [name]: value });
        readAdapterFolder(adapter);
      }
      set({ [name]: { some: 1 } });
      if (field.is === 'without effect') readAdapterFolder(adapter);
      else assert.throws(() => readAdapterFolder(adapter), new RegExp(`${name}: the adapter has`));
    }
    set({ a_new_field: null, another: [] });
    readAdapterFolder(adapter);
    set({ a_new_field: 3, another: true });
    assert.throws(
      () => readAdapterFolder(adapter),
      /json a_new_field, another: these fields, of a newer PEFT/,
    );
    assert.throws(() => exportGguf({ path: adapter, base }), /a_new_field/);
  });
});
