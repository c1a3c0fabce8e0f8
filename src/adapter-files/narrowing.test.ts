// Each writer, with numbers that the wanted type cannot hold.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { openSafetensors, readFloat32 } from '../checkpoints/safetensors-file.ts';
import { UserError } from '../errors.ts';
import { decodeGguf, parseGguf, scalarOf } from '../tensor/gguf.ts';
import type { FloatDType } from '../tensor/half.ts';
import { toFloat32 } from '../tensor/half.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { float32 } from '../tensor/tensor.ts';
import { readDiffusersLora, writeDiffusersLora } from './diffusers.ts';
import { writeGgufLora } from '../export/gguf-lora.ts';
import { writeGgufModel } from '../export/gguf-model.ts';
import { kohyaName, readKohyaLora, writeKohyaLora } from './kohya.ts';
import {
  golden,
  readConfig,
  tinyLora,
  writeTinyModel,
} from '../export/language-model.test-util.ts';
import type { LoraWeights } from './lora.ts';
import { mergeLora } from '../export/merge.ts';
import { openModelFiles } from '../export/model-files.ts';
import { narrowingNotes, wideningProblems, type Narrowing } from './narrowing.ts';
import { writePeftWeights } from './peft.ts';

const config = readConfig(golden.cases.llama.config);
const [plain] = tinyLora(golden.cases.llama.config).modules; // layer 0's q_proj, rank 4
const rank = plain.down.shape[0];

/** What a reader of the file multiplies: s, the first number of A and of B. */
type Factors = readonly [scale: number, a: number, b: number];
type Writer = (module: LoraWeights, tell: (found: Narrowing) => void) => Factors;

const named = (bytes: Uint8Array, part: string): number => {
  const { tensors } = deserialize(bytes);
  const key = [...tensors.keys()].find((name) => name.includes(part));
  const tensor = tensors.get(key ?? '');
  assert.ok(tensor, part);
  return toFloat32(tensor).data[0];
};

function ggufFactors(bytes: Uint8Array): Factors {
  const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const file = parseGguf({ size: bytes.length, read }, 'x.gguf');
  const first = (part: string) => {
    const tensor = file.tensors.get(`blk.0.attn_q.weight.${part}`);
    assert.ok(tensor);
    return decodeGguf(tensor, read(tensor.offset, tensor.length)).data[0];
  };
  const alpha = Number(scalarOf(file.metadata, 'adapter.lora.alpha'));
  return [alpha / rank, first('lora_a'), first('lora_b')];
}

const adapterWriters = (dtype: FloatDType): Readonly<Record<string, Writer>> => ({
  kohya: (module, tell) => {
    const ofUnet = { ...module, path: `unet.${module.path}` };
    const bytes = writeKohyaLora({ modules: [ofUnet], metadata: {}, dtype, tell });
    return [named(bytes, '.alpha') / rank, named(bytes, 'lora_down'), named(bytes, 'lora_up')];
  },
  diffusers: (module, tell) => {
    const bytes = writeDiffusersLora({ modules: [module], dtype, tell });
    return [1, named(bytes, 'lora_A'), named(bytes, 'lora_B')];
  },
  PEFT: (module, tell) => {
    const bytes = writePeftWeights({ modules: [module], rslora: false, dtype, tell });
    return [module.alpha / rank, named(bytes, 'lora_A'), named(bytes, 'lora_B')];
  },
  GGUF: (module, tell) => {
    const type = ({ float16: 'f16', bfloat16: 'bf16', float32: 'f32' } as const)[dtype];
    return ggufFactors(writeGgufLora({ modules: [module], rslora: false, config, type, tell }));
  },
});

const filled = ({ up }: LoraWeights, value: number) =>
  float32(up.shape, new Float32Array(up.data.length).fill(value));

const failures: Readonly<Record<string, LoraWeights>> = {
  'a learning rate of 1e-8': { ...plain, up: filled(plain, 1e-8) },
  'weights that float16 has too few bits for': { ...plain, up: filled(plain, 4.1e-8) },
  'weights that are larger than float16': { ...plain, up: filled(plain, -7e4) },
  'an alpha of 100000': { ...plain, alpha: 1e5 },
  'an alpha of 1e-8': { ...plain, alpha: 1e-8 },
  'an alpha of 1e-8 and weights of 1e-8': { ...plain, up: filled(plain, 1e-8), alpha: 1e-8 },
};

for (const dtype of ['float16', 'bfloat16'] as const)
  for (const [format, writer] of Object.entries(adapterWriters(dtype)))
    for (const [failure, module] of Object.entries(failures))
      test(`${format} in ${dtype}: ${failure} keeps what the adapter does`, () => {
        const product = ([scale, a, b]: Factors) => scale * a * b;
        const { alpha, down, up } = module;
        const expected = product([alpha / rank, Number(down.data[0]), Number(up.data[0])]);
        const actual = product(writer(module, () => {}));
        // each factor is rounded once to bfloat16's 8 bits
        assert.ok(Math.abs(actual / expected - 1) < 2 ** -7, `${actual}, not ${expected}`);
      });

for (const [format, writer] of Object.entries(adapterWriters('float16'))) {
  test(`${format}: what is written in float32 is reported, once and by name`, () => {
    const found: Narrowing[] = [];
    writer({ ...plain, up: filled(plain, 1e-8) }, (narrowing) => found.push(narrowing));
    const [problem, ...others] = wideningProblems(found, 'fix');
    assert.deepEqual(others, []);
    assert.match(problem.where, /(up\.weight|lora_B\.weight|lora_b) \(256 of 256 numbers\)$/);
    assert.match(problem.what, /float16|f16/);
  });

  test(`${format}: numbers that are lost, but few of them, are reported`, () => {
    const up = filled(plain, 1);
    up.data[0] = 1e-9;
    const found: Narrowing[] = [];
    writer({ ...plain, up, alpha: rank }, (narrowing) => found.push(narrowing));
    assert.match(narrowingNotes(found).join('\n'), /^1 of 256 numbers in 1 tensor are too small/);
  });

  test(`${format}: NaN and infinity are refused by name`, () => {
    for (const value of [NaN, Infinity])
      assert.throws(
        () => writer({ ...plain, up: filled(plain, value) }, () => {}),
        (error: unknown) =>
          error instanceof UserError && /q_proj|attn_q/.test(error.problems[0].where),
      );
  });
}

for (const [format, writer] of Object.entries(adapterWriters('float32')).slice(0, 2))
  test(`${format}: a scale that not even float32 holds is refused`, () => {
    for (const alpha of [1e-60, 1e60])
      assert.throws(() => writer({ ...plain, alpha }, () => {}), /too small or too large/);
  });

/** The tiny llama with all numbers of one matrix multiplied, written by `use`, which names it. */
function withModel(factor: number, use: (folder: string, output: string) => void): void {
  withFolder((folder) => {
    const base = join(folder, 'base');
    writeTinyModel(base, 'llama');
    const key = 'model.layers.0.mlp.up_proj.weight';
    for (const file of openModelFiles(base).files.filter(({ tensors }) => tensors.has(key))) {
      const path = join(base, file.name);
      const { tensors, metadata } = deserialize(new Uint8Array(readFileSync(path)));
      const { shape, data } = toFloat32(tensors.get(key) ?? assert.fail());
      tensors.set(
        key,
        float32(
          shape,
          data.map((value) => value * factor),
        ),
      );
      write(path, serialize(tensors, metadata));
    }
    use(base, join(folder, 'out'));
  });
}

for (const [type, factor] of [
  ['f16', 1e-8],
  ['f16', 1e8],
  ['q8_0', 1e-8],
  ['q8_0', 1e9],
  ['bf16', 1e-40],
] as const)
  test(`a model as ${type}: a matrix times ${factor} is f32, and told`, () => {
    withModel(factor, (folder, output) => {
      const found: Narrowing[] = [];
      writeGgufModel({ folder, output, type, tell: (narrowing) => found.push(narrowing) });
      const wide = found.filter(({ widened }) => widened).map(({ name }) => name);
      assert.deepEqual(wide, ['blk.0.ffn_up.weight']);
      const bytes = new Uint8Array(readFileSync(output));
      const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const { tensors } = parseGguf({ size: bytes.length, read }, output);
      assert.equal(tensors.get('blk.0.ffn_up.weight')?.type, 'f32');
      assert.equal(tensors.get('blk.1.ffn_up.weight')?.type, type);
    });
  });

const lora = tinyLora(golden.cases.llama.config);
const scaledLora = (alpha: number) => ({
  ...lora,
  modules: lora.modules.map((module) => ({ ...module, alpha })),
});

test('a merge whose changes are too small for the type is refused, and leaves no folder', () => {
  for (const dtype of ['float16', 'bfloat16', 'float32'] as const)
    withModel(1, (base, output) => {
      assert.throws(
        () => mergeLora({ base, lora: scaledLora(1e-12), output, dtype }),
        dtype === 'float32'
          ? /changes that the adapter makes are too small[^]*\n +Train longer or with a higher/
          : /changes that the adapter makes are too small[^]*--dtype float32, or train longer/,
      );
      assert.ok(!existsSync(output));
    });
});

test('a merge tells how many of its changes are lost', () => {
  withModel(1, (base, output) => {
    const all = mergeLora({ base, lora, output: `${output}32` });
    assert.ok(all.changes > 50_000 && all.lostChanges < 0.001 * all.changes);
    const some = mergeLora({ base, lora: scaledLora(0.01), output, dtype: 'bfloat16' });
    assert.ok(some.lostChanges > 0.05 * some.changes && some.lostChanges < 0.99 * some.changes);
  });
});

for (const factor of [1e-8, 1e8])
  test(`a merge into float16 refuses a matrix times ${factor}, and into bfloat16 takes it`, () => {
    withModel(factor, (base, output) => {
      assert.throws(
        () => mergeLora({ base, lora: { ...lora, modules: [plain] }, output, dtype: 'float16' }),
        /layers\.0\.mlp\.up_proj\.weight[^]*Merge with --dtype bfloat16 or float32/,
      );
      assert.ok(!existsSync(output));
      mergeLora({ base, lora: { ...lora, modules: [plain] }, output, dtype: 'bfloat16' });
      const tensor = openModelFiles(output).tensors.get('model.layers.0.mlp.up_proj.weight');
      assert.ok(tensor && readFloat32(tensor).data.every((value) => value !== 0));
    });
  });

test('float64 numbers that float32 cannot hold are refused where they are read', () => {
  withFolder((folder) => {
    const path = join(folder, 'x.safetensors');
    for (const [value, fits] of [
      [1e39, false],
      [1e-60, false],
      [0.1, true],
    ] as const) {
      const data = Float64Array.of(1, value);
      write(path, serialize(new Map([['w', { dtype: 'float64', shape: [2], data }]])));
      const tensor = openSafetensors(path).tensors.get('w') ?? assert.fail();
      if (fits) assert.deepEqual(readFloat32(tensor).data, Float32Array.of(1, value));
      else assert.throws(() => readFloat32(tensor), /float64 \[2\] has numbers/);
    }
  });
});

test('files of earlier writers: an infinite alpha or factor is refused by name', () => {
  withFolder((folder) => {
    const kohya = join(folder, 'k.safetensors');
    const path = 'unet.mid_block.attentions.0.proj_in';
    const writeKohya = (alpha: number) =>
      write(
        kohya,
        serialize(
          new Map([
            [`${kohyaName(path)}.lora_down.weight`, plain.down],
            [`${kohyaName(path)}.lora_up.weight`, plain.up],
            [`${kohyaName(path)}.alpha`, float32([], [alpha])],
          ]),
        ),
      );
    writeKohya(Infinity);
    assert.throws(() => readKohyaLora(kohya, [path]), /mid_block[^]*its alpha is Infinity/);
    writeKohya(2);
    assert.equal(readKohyaLora(kohya, [path]).modules.length, 1);
    const diffusers = join(folder, 'd.safetensors');
    const factors = [
      [`${path}.lora_A.weight`, plain.down],
      [`${path}.lora_B.weight`, filled(plain, -Infinity)],
    ] as const;
    write(diffusers, serialize(new Map(factors)));
    assert.throws(() => readDiffusersLora(diffusers), /mid_block[^]*not finite/);
  });
});
