// Models of random weights, written where they are measured, in half precision as people's files
// are. Uniform numbers of variance 1 / fan in, of 256 values each, which is fast to write.

import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { languageModelParameters } from '../../src/models/decoder.ts';
import { hashedUniforms } from '../../src/models/hashed-weights.test-util.ts';
import { stableDiffusionParameters } from '../../src/models/parameters.ts';
import { dtypes } from '../../src/tensor/dtype.ts';
import { fromFloat32, type FloatDType } from '../../src/tensor/half.ts';
import { layoutSafetensors } from '../../src/tensor/safetensors.ts';
import { byteLength, float32, sizeOf, type Shape } from '../../src/tensor/tensor.ts';
import type { ExternalTensor } from '../../src/tensor/tensor.ts';
import { streamOfName } from '../../src/util/streams.ts';
import type { BenchModel } from './cases.ts';

/** A prime number of bytes, so that rows of a matrix differ. */
const BLOCK = 1_048_573;
const LEVELS = 256;

/** One file of a model: where it lies, and how its keys are named by our graphs. */
interface Part {
  readonly file: string;
  readonly prefix: string;
  readonly shapes: ReadonlyMap<string, Shape>;
  /** `config.json` beside it. */
  readonly config: object;
}

function partsOf(model: BenchModel): Part[] {
  if (model.kind === 'text') {
    const shapes = languageModelParameters(model.config);
    return [{ file: 'model.safetensors', prefix: '', shapes, config: model.file }];
  }
  const all = [...stableDiffusionParameters(model.config)];
  const part = (prefix: string, file: string, config: object): Part => ({
    file,
    prefix,
    config,
    shapes: new Map(
      all
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, shape]) => [name.slice(prefix.length), shape]),
    ),
  });
  const { unet, textEncoder } = model.config;
  return [
    part('unet.', 'unet/diffusion_pytorch_model.safetensors', unet),
    part('text_encoder.', 'text_encoder/model.safetensors', textEncoder),
  ];
}

/** Writes what is not there yet, in the layout of diffusers' and transformers' folders. */
export function writeRandomModel(model: BenchModel, folder: string, dtype: FloatDType): void {
  for (const { file, shapes, config } of partsOf(model)) {
    const path = join(folder, file);
    const settings = join(dirname(path), 'config.json');
    if (existsSync(settings)) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeTensors(path, shapes, dtype);
    writeFileSync(settings, JSON.stringify(config)); // last: it says that the rest is whole
  }
}

const described = (shapes: ReadonlyMap<string, Shape>, dtype: FloatDType) =>
  new Map([...shapes].map(([name, shape]) => [name, { dtype, shape }]));

function writeTensors(path: string, shapes: ReadonlyMap<string, Shape>, dtype: FloatDType): void {
  const { head, order } = layoutSafetensors(described(shapes, dtype));
  const random = Uint8Array.from(hashedUniforms('bench', BLOCK), (u) => ((u + 1) / 2) * LEVELS);
  const file = openSync(path, 'w');
  try {
    writeAll(file, head);
    for (const name of order) writeAll(file, numbers(name, shapes.get(name) ?? [], dtype, random));
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

/** The bytes of one weight. */
function numbers(name: string, shape: Shape, dtype: FloatDType, random: Uint8Array): Uint8Array {
  const { data: levels } = fromFloat32(float32([LEVELS], levelsOf(name, shape)), dtype);
  const count = sizeOf(shape);
  const out = levels instanceof Float32Array ? new Float32Array(count) : new Uint16Array(count);
  let at = streamOfName(name) % BLOCK;
  for (let i = 0; i < count; i++) {
    out[i] = Number(levels[random[at]]);
    if (++at === BLOCK) at = 0;
  }
  return new Uint8Array(out.buffer);
}

/** Norms about 1, biases about 0, matrices by their fan in. */
function levelsOf(name: string, shape: Shape): number[] {
  const [scale, shift] = name.endsWith('.bias')
    ? [0.1, 0]
    : shape.length === 1
      ? [0.1, 1]
      : [Math.sqrt(3 / sizeOf(shape.slice(1))), 0];
  return Array.from({ length: LEVELS }, (_, i) => shift + scale * ((2 * i + 1) / LEVELS - 1));
}

/** Where each weight lies, by the names of our graphs. */
export function randomWeights(
  model: BenchModel,
  folder: string,
  dtype: FloatDType,
): Map<string, ExternalTensor> {
  return new Map(partsOf(model).flatMap((part) => located(part, realpathSync(folder), dtype)));
}

function located(
  { file, prefix, shapes }: Part,
  folder: string,
  dtype: FloatDType,
): [string, ExternalTensor][] {
  const path = join(folder, file);
  const { head, order } = layoutSafetensors(described(shapes, dtype));
  let offset = head.length;
  return order.map((name) => {
    const shape = shapes.get(name) ?? [];
    const length = byteLength(dtype, shape);
    const tensor: ExternalTensor = { dtype, shape, path, offset, length };
    offset += length;
    return [prefix + name, tensor];
  });
}

/** Bytes of all files of a model. */
export const modelBytes = (model: BenchModel, dtype: FloatDType): number =>
  partsOf(model)
    .flatMap(({ shapes }) => [...shapes.values()])
    .reduce((sum, shape) => sum + sizeOf(shape) * dtypes[dtype].bytes, 0);
