// A LoRA training step of language models beside PEFT + transformers on PyTorch's CPU, in turns,
// each run a process of its own: tokens per second, and our share of the machine's own float32
// rate, medians of several runs; peak memory, of a run of its own.
//
//   npm run bench -- llm [--smollm2 FOLDER] [--qwen FOLDER] [--python python3] [--batches 1,4]
//   [--runs 3] [--steps 5] [--length 512] [--rank 16]
//
// Folders: LORA_SMOLLM2 (reference/smollm2.py makes it) and, with random weights, `python
// reference/bench_llm.py shape FOLDER`. The Python needs torch, transformers and peft; without it
// only our side runs.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { loadLanguageModel } from '../src/checkpoints/hf-folder.ts';
import type { LanguageModelConfig } from '../src/models/language-config.ts';
import { languageModelParameters } from '../src/models/decoder.ts';
import { gemmRate } from './gemm-rate.ts';

const { values } = parseArgs({
  options: {
    smollm2: { type: 'string', default: process.env.LORA_SMOLLM2 ?? '' },
    qwen: { type: 'string', default: process.env.LORA_QWEN_SHAPE ?? '' },
    python: { type: 'string', default: 'python3' },
    batches: { type: 'string', default: '1,4' },
    runs: { type: 'string', default: '3' },
    steps: { type: 'string', default: '5' },
    length: { type: 'string', default: '512' },
    rank: { type: 'string', default: '16' },
    threads: { type: 'string', default: String(cpus().length) },
  },
});
const [runs, steps, length, rank, threads] = [
  values.runs,
  values.steps,
  values.length,
  values.rank,
  values.threads,
].map(Number);
const peer = fileURLToPath(new URL('../reference/bench_llm.py', import.meta.url));

interface Run {
  readonly times: readonly number[];
  readonly losses: readonly number[];
  /** Bytes. */
  readonly peak: number;
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/**
 * The last JSON line that a process prints and, if `sampled`, the highest of its proportional set
 * sizes 0.05 s apart, which costs it time.
 */
function watched(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  sampled: boolean,
): Promise<Run> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  let [peak, last] = [0, ''];
  const timer = setInterval(
    () => (peak = sampled ? Math.max(peak, proportionalSetSize(child.pid)) : 0),
    50,
  );
  createInterface({ input: child.stdout }).on('line', (line) => (last = line));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      clearInterval(timer);
      if (code === 0) resolve({ ...JSON.parse(last), peak });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}`));
    });
  });
}

function proportionalSetSize(pid: number | undefined): number {
  try {
    return (
      Number(
        /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0,
      ) * 1024
    );
  } catch {
    return 0; // not Linux, or the process has just ended
  }
}

// ---- who runs

interface Contender {
  readonly name: string;
  readonly run: (folder: string, rows: number, kind: Kind) => Promise<Run>;
}

/** Steps beside the first, which counts nowhere. */
interface Kind {
  readonly steps: number;
  readonly sampled: boolean;
}

const tsx = ['--import', 'tsx', fileURLToPath(new URL('llm-ours.ts', import.meta.url))];
const ours: Contender = {
  name: 'ours, f32',
  run: (folder, rows, kind) =>
    watched(
      process.execPath,
      [...tsx, folder, ...flags({ rows, length, rank, threads, steps: kind.steps + 1 })],
      process.env,
      kind.sampled,
    ),
};

const flags = (options: Readonly<Record<string, number>>) =>
  Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);

function pythonRun(name: string, dtype: string, env: NodeJS.ProcessEnv): Contender {
  return {
    name,
    run: (folder, rows, kind) =>
      watched(
        values.python,
        [
          peer,
          'train',
          folder,
          ...[rows, length, rank, kind.steps + 1, threads].map(String),
          dtype,
        ],
        env,
        kind.sampled,
      ),
  };
}

const isAmd = cpus()[0].model.includes('AMD');

/**
 * MKL takes a slow path on processors of AMD unless this function says otherwise. Needs a C
 * compiler.
 */
function unhandicapped(folder: string): NodeJS.ProcessEnv {
  const [source, library] = [join(folder, 'intel.c'), join(folder, 'intel.so')];
  writeFileSync(source, 'int mkl_serv_intel_cpu_true(void) { return 1; }\n');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, source]);
  return { ...process.env, LD_PRELOAD: library };
}

const hasBf16 =
  existsSync('/proc/cpuinfo') &&
  /avx512_bf16|amx_bf16|\bbf16\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

function contenders(scratch: string): Contender[] {
  try {
    execFileSync(values.python, ['-c', 'import torch, transformers, peft'], { stdio: 'ignore' });
  } catch {
    console.log(
      `${values.python} has no torch, transformers and peft: ours alone (--python names another)`,
    );
    return [ours];
  }
  const free = isAmd ? [pythonRun('PEFT, f32, MKL free', 'float32', unhandicapped(scratch))] : [];
  const half = hasBf16 ? [pythonRun('PEFT, bf16', 'bfloat16', process.env)] : [];
  return [ours, pythonRun('PEFT, f32', 'float32', process.env), ...free, ...half];
}

// ---- what a step costs

/**
 * Floating-point operations of a step, counted as they must be done: a frozen layer twice (forward,
 * and its input's gradient), an adapter three times, the head twice, causal attention's products
 * three and a half times half of all pairs.
 */
function operationsOf(config: LanguageModelConfig, tokens: number): number {
  const layers = [...languageModelParameters(config)]
    .filter(([name, shape]) => shape.length === 2 && name.includes('.layers.'))
    .map(([, shape]) => shape);
  const linear = layers.reduce(
    (sum, [out, width]) => sum + 4 * out * width + 6 * rank * (out + width),
    0,
  );
  const { heads, headDim } = config.layer.attention;
  const attention = config.layers.length * 3.5 * 4 * (length / 2) * heads * headDim;
  return tokens * (linear + 4 * config.vocab_size * config.hidden_size + attention);
}

interface Rate {
  readonly by: string;
  readonly gflops: number;
}

/** Of products of 2048 x 2048 matrices. */
async function machineRates(python: boolean): Promise<Rate[]> {
  const mine = { by: 'ONNX Runtime', gflops: await gemmRate(threads) };
  if (!python) return [mine];
  const { gflops, capability, version } = JSON.parse(
    execFileSync(values.python, [peer, 'gemm', String(threads)], { encoding: 'utf8' }),
  );
  return [mine, { by: `PyTorch ${version} (${capability})`, gflops }];
}

// ---- the table

async function compare(
  all: readonly Contender[],
  folder: string,
  rows: number,
  rate: number,
): Promise<void> {
  const { config } = loadLanguageModel(folder);
  console.log(
    `\n${basename(folder)} (${config.model_type}, ${config.layers.length} layers of ${config.hidden_size}), ${rows} x ${length} tokens, rank ${rank} on all linear layers; load ${loadavg()[0].toFixed(1)}`,
  );
  const results = new Map<Contender, Run[]>(all.map((one) => [one, []]));
  for (let i = 0; i < runs; i++)
    for (const one of all)
      results.get(one)?.push(await one.run(folder, rows, { steps, sampled: false }));
  const peaks = new Map<Contender, number>();
  for (const one of all)
    peaks.set(one, (await one.run(folder, rows, { steps: 2, sampled: true })).peak);
  const row = (one: Contender) => {
    const list = results.get(one) ?? [];
    const step = median(list.map(({ times }) => median(times.slice(1))));
    const first = median(list.map(({ times }) => times[0])) / 1000;
    return {
      step,
      first,
      tokens: (1000 * rows * length) / step,
      peak: (peaks.get(one) ?? 0) / 2 ** 20,
      loss: list[0].losses[steps],
    };
  };
  const mine = row(ours);
  for (const one of all) {
    const { step, first, tokens, peak, loss } = row(one);
    const against =
      one === ours
        ? ''
        : `; ours is ${(mine.tokens / tokens).toFixed(2)} times as fast, ${(mine.peak / peak).toFixed(2)} of the memory`;
    console.log(
      `  ${one.name.padEnd(20)} ${step.toFixed(0).padStart(6)} ms (first ${first.toFixed(1).padStart(4)} s)  ${tokens.toFixed(0).padStart(5)} tokens/s  ${peak.toFixed(0).padStart(5)} MiB  loss ${loss.toFixed(4)}${against}`,
    );
  }
  const gflops = operationsOf(config, rows * length) / mine.step / 1e6;
  console.log(
    `  ours: ${gflops.toFixed(0)} GFLOP/s, ${((100 * gflops) / rate).toFixed(0)} % of the machine's ${rate.toFixed(0)}; load afterwards ${loadavg()[0].toFixed(1)}`,
  );
}

const folders = [values.smollm2, values.qwen].filter((folder) => folder !== '');
if (folders.length === 0)
  console.error('no folder: --smollm2 or --qwen; see the first lines of bench/llm.ts');
const scratch = mkdtempSync(join(tmpdir(), 'llm-bench-'));
try {
  const all = contenders(scratch);
  const rates = await machineRates(all.length > 1);
  console.log(
    `${cpus()[0].model}, ${threads} threads, load ${loadavg()[0].toFixed(1)}; f32 GFLOP/s of 2048³: ${rates.map(({ by, gflops }) => `${by} ${gflops.toFixed(0)}`).join(', ')}; medians of ${runs} runs of ${steps} steps`,
  );
  const rate = Math.max(...rates.map(({ gflops }) => gflops));
  for (const folder of folders)
    for (const rows of values.batches.split(',').map(Number))
      await compare(all, folder, rows, rate);
} finally {
  rmSync(scratch, { recursive: true });
}
