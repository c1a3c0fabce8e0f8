// Our side of one case, in a process of its own: prints a JSON line when the steps are timed, and
// one when ONNX Runtime's profile has been read.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRuntime, type Runtime } from '../../src/runtime/runtime.ts';
import { executedKernels, timeByOperator } from '../../src/runtime/onnxruntime/profile.ts';
import type { FloatDType } from '../../src/tensor/half.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { Weights } from '../../src/tensor/weights.ts';
import { compileLoss, type LossAndGradients } from '../../src/train/loss-program.ts';
import { models, type Case, type Size } from './cases.ts';
import { randomWeights } from './random-weights.ts';
import { stepFile, stepOf, type Step } from './step.ts';

export const benchDevices = ['webgpu', 'cpu'] as const;
export type BenchDevice = (typeof benchDevices)[number];

export interface OursSpec {
  readonly one: Case;
  readonly size: Size;
  readonly device: BenchDevice;
  readonly dtype: FloatDType;
  /** The model's folder. */
  readonly folder: string;
  /** Where batch and adapters are written for PyTorch's side. */
  readonly stepFile: string;
  readonly threads?: number;
  /** Steps timed, at most; fewer where they take longer than `seconds`, but three. */
  readonly steps: number;
  readonly seconds: number;
}

/** The first line. */
export interface OursTimes {
  /** Milliseconds: building the graph; opening it, which uploads the frozen weights. */
  readonly buildMs: number;
  readonly openMs: number;
  /** The first step, which compiles its shaders. */
  readonly firstMs: number;
  readonly times: readonly number[];
  readonly loss: number;
  readonly gradientNorm: number;
  /** Bytes of a step's inputs, and of what comes back. */
  readonly busIn: number;
  readonly busOut: number;
  /** Of this process, resident at most. */
  readonly hostMiB?: number;
}

export interface OperatorShare {
  readonly type: string;
  readonly count: number;
  readonly milliseconds: number;
}

/** The second line. */
export interface OursProfile {
  /** Of one step: kernels, and their milliseconds altogether. */
  readonly kernels: number;
  readonly kernelMs: number;
  /** Of the same step, profiled. */
  readonly profiledMs: number;
  readonly operators: readonly OperatorShare[];
}

const print = (line: object): void => console.log(JSON.stringify(line));

export async function measureOurs(spec: OursSpec): Promise<void> {
  const began = performance.now();
  const model = models[spec.size][spec.one.model];
  const step = stepOf(model, spec.one);
  writeFileSync(spec.stepFile, stepFile(step));
  const weights = frozen(step, randomWeights(model, spec.folder, spec.dtype));
  const buildMs = performance.now() - began;
  const runtime = await openRuntime(spec);
  print({ buildMs, ...(await timed(runtime, step, weights, spec)) });
  print(await profiled(runtime, step, weights));
  await runtime.release();
}

/** Those of the model's weights that this graph has. */
function frozen({ graph }: Step, all: Weights): Weights {
  const names = new Set(graph.parameters.map(({ name }) => name));
  return new Map([...all].filter(([name]) => names.has(name)));
}

async function timed(
  runtime: Runtime,
  step: Step,
  weights: Weights,
  { steps, seconds }: OursSpec,
): Promise<Omit<OursTimes, 'buildMs'>> {
  const { graph, inputs, parameters, segmentOf } = step;
  const began = performance.now();
  const program = await compileLoss(runtime, graph, parameters.keys(), { weights }, segmentOf);
  const openMs = performance.now() - began;
  const run = () => clocked(() => program.run(inputs, parameters));
  const [first, firstMs] = await run();
  await run();
  const times: number[] = [];
  const start = performance.now();
  while (times.length < steps && (times.length < 3 || performance.now() - start < 1000 * seconds))
    times.push((await run())[1]);
  await program.release();
  const parts = [...first.gradients.values()];
  return {
    openMs,
    firstMs,
    times,
    loss: first.loss,
    gradientNorm: norm(parts),
    busIn: bytesOf([...Object.values(inputs), ...parameters.values()]),
    busOut: parts.reduce((sum, { byteLength }) => sum + byteLength, 4),
    hostMiB: residentAtMost(),
  };
}

async function clocked<T>(body: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await body();
  return [result, performance.now() - start];
}

const bytesOf = (tensors: readonly Tensor[]): number =>
  tensors.reduce((sum, { data }) => sum + data.byteLength, 0);

function norm(parts: readonly Float32Array[]): number {
  let sum = 0;
  for (const part of parts) for (const x of part) sum += x * x;
  return Math.sqrt(sum);
}

/** Linux alone tells it. */
function residentAtMost(): number | undefined {
  const file = '/proc/self/status';
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(text) ?? [];
  return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
}

/** Of the last of three steps: the first compiles its shaders again. */
const PROFILED = 3;

async function profiled(runtime: Runtime, step: Step, weights: Weights): Promise<OursProfile> {
  const { graph, inputs, parameters, segmentOf } = step;
  const place = mkdtempSync(join(tmpdir(), 'gpu-profile-'));
  try {
    const options = { weights, profile: join(place, 'p') };
    const program = await compileLoss(runtime, graph, parameters.keys(), options, segmentOf);
    const times: number[] = [];
    const run = (): Promise<LossAndGradients> => program.run(inputs, parameters);
    for (let i = 0; i < PROFILED; i++) times.push((await clocked(run))[1]);
    await program.release();
    const all = executedKernels(join(place, readdirSync(place)[0]));
    const last = all.slice(-Math.floor(all.length / PROFILED));
    return {
      kernels: last.length,
      kernelMs: last.reduce((sum, { microseconds }) => sum + microseconds / 1000, 0),
      profiledMs: times[PROFILED - 1],
      operators: timeByOperator(last),
    };
  } finally {
    rmSync(place, { recursive: true });
  }
}
