// A LoRA training step on a graphics card, at full size and with weights made here: its time and
// memory, where it goes, and PyTorch on the same card in f32, TF32 and bf16.
//
//   npm run bench -- gpu [--budget 480] [--device webgpu|cpu] [--small] [--cases sd15-b1,qwen-b4]
//   [--python python3] [--no-peer] [--out FILE] [--folder FOLDER] [--dtype float16] [--steps 10]
//   [--limit 120] [--threads N]
//
// Each case is a process of its own with a limit of seconds: one that crashes leaves the others.
// What no longer fits into the budget (seconds) is dropped by name. Prints a JSON line a row, with
// --out into a file too, and the table last. --small takes the embedded models' sizes. PyTorch's
// side (gpu-peer.py) needs torch, transformers, safetensors and diffusers. For a machine with a
// card and nothing else: gpu-carry.ts.

import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { runtimeVersion } from '../src/runtime/onnxruntime/session.ts';
import type { FloatDType } from '../src/tensor/half.ts';
import { allowance, droppedReason, type Need } from './gpu/budget.ts';
import { CardMemory, cardName } from './gpu/card.ts';
import { caseId, cases, caseTitle, models, type Case, type Size } from './gpu/cases.ts';
import { causeOf, runChild } from './gpu/child.ts';
import {
  benchDevices,
  measureOurs,
  type BenchDevice,
  type OursProfile,
  type OursSpec,
  type OursTimes,
} from './gpu/ours.ts';
import { modelBytes, writeRandomModel } from './gpu/random-weights.ts';
import { comparisons, jobs, median, OURS, shares, table, type Row } from './gpu/table.ts';

const peer = fileURLToPath(new URL('gpu-peer.py', import.meta.url));
const precisions = ['f32', 'TF32', 'bf16'] as const;
type Precision = (typeof precisions)[number];

/** Seconds below which a process is not worth starting: ours, PyTorch's. */
const [OUR_LEAST, PEER_LEAST] = [25, 20];

interface Options {
  readonly size: Size;
  readonly device: BenchDevice;
  readonly dtype: FloatDType;
  readonly budget: number;
  /** Seconds of one process. */
  readonly limit: number;
  readonly chosen: readonly Case[];
  readonly python: string;
  readonly folder: string;
  readonly steps: number;
  readonly threads?: number;
  readonly out?: string;
}

type BenchRow = Row & { readonly batch: number; readonly pictures: boolean };

class Bench {
  readonly #began = performance.now();
  readonly #card = new CardMemory();
  readonly rows: BenchRow[] = [];

  constructor(
    readonly options: Options,
    /** Why PyTorch is not beside us; undefined where it is. */
    readonly withoutPeer: string | undefined,
  ) {}

  get spent(): number {
    return (performance.now() - this.#began) / 1000;
  }

  async run(): Promise<void> {
    for (const one of this.options.chosen) {
      const failed = this.#prepare(one);
      const need = (least: number): Need => ({ least, most: this.options.limit });
      await this.#measure(one, [OURS], need(OUR_LEAST), failed, (limit) => this.#ours(one, limit));
      const by = precisions.map((precision) => `PyTorch ${precision}`);
      const absent = failed ?? this.withoutPeer;
      await this.#measure(one, by, need(PEER_LEAST), absent, (limit) => this.#peer(one, limit));
    }
    this.#card.close();
  }

  #folderOf({ model }: Case): string {
    return join(this.options.folder, `${model}-${this.options.size}-${this.options.dtype}`);
  }

  /** Writes the model where it is not there yet; why it could not be. */
  #prepare(one: Case): string | undefined {
    const { size, dtype } = this.options;
    try {
      writeRandomModel(models[size][one.model], this.#folderOf(one), dtype);
      return undefined;
    } catch (error) {
      const need = modelBytes(models[size][one.model], dtype) / 2 ** 30;
      return `its weights (${need.toFixed(1)} GiB) could not be written: ${String(error)}`;
    }
  }

  /** Rows of one process: measured, or each with the reason why not. */
  async #measure(
    one: Case,
    by: readonly string[],
    need: Need,
    absent: string | undefined,
    measure: (limit: number) => Promise<Partial<Row>[]>,
  ): Promise<void> {
    const { budget: total, size } = this.options;
    const time = { total, spent: this.spent };
    const limit = allowance(time, need);
    const without = absent ?? (limit === undefined ? droppedReason(time, need) : undefined);
    const found = without === undefined && limit !== undefined ? await measure(limit) : [];
    const place = {
      title: caseTitle(one, size),
      batch: one.batch,
      pictures: models[size][one.model].kind === 'image',
    };
    by.forEach((name, i) => this.#add({ ...place, by: name, failed: without, ...found[i] }));
  }

  #add(row: BenchRow): void {
    const line = JSON.stringify(row);
    console.log(line);
    if (this.options.out !== undefined) appendFileSync(this.options.out, `${line}\n`);
    this.rows.push(row);
  }

  async #ours(one: Case, limit: number): Promise<Partial<Row>[]> {
    const { size, device, dtype, steps, threads } = this.options;
    const folder = this.#folderOf(one);
    const stepFile = join(folder, `${caseId(one)}.safetensors`);
    const spec: OursSpec = {
      one,
      size,
      device,
      dtype,
      folder,
      stepFile,
      steps,
      threads,
      seconds: 6,
    };
    const lines: Partial<OursTimes & OursProfile>[] = [];
    let deviceMiB: number | undefined;
    await this.#card.begin();
    // bench/main.ts and tsx give Node the options that let it run TypeScript
    const args = [...process.execArgv, process.argv[1], 'ours', JSON.stringify(spec)];
    const failed = await runChild(process.execPath, args, {
      limit,
      onLine: (line) => {
        if (lines.push(line) === 1) deviceMiB = this.#card.most;
      },
    });
    const [times, profile] = lines as [OursTimes?, OursProfile?]; // as ours.ts prints them
    if (times === undefined) return [{ failed: failed ?? 'it measured nothing' }];
    const { times: all, busIn, busOut, ...rest } = times;
    const measured = { ...rest, stepMs: median(all), steps: all.length, bus: { busIn, busOut } };
    const unprofiled = failed && `without a profile: ${failed}`;
    return [{ ...measured, deviceMiB, profile, failed: unprofiled }];
  }

  /** A row for each precision; those that the process did not come to say why. */
  async #peer(one: Case, limit: number): Promise<Partial<Row>[]> {
    const { size, device, python, steps } = this.options;
    const model = models[size][one.model];
    const folder = this.#folderOf(one);
    const spec = {
      kind: model.kind,
      batch: one.batch,
      text_encoder: one.textEncoder,
      folder,
      step_file: join(folder, `${caseId(one)}.safetensors`),
      device: torchDevice(device),
      precisions,
      steps,
      seconds: 4,
    };
    const found = new Map<Precision, Partial<Row>>();
    await this.#card.begin();
    const failed = await runChild(python, [peer, 'measure', JSON.stringify(spec)], {
      limit,
      onLine: (line) => {
        const { precision, times, steady, ...rest } = line as PeerLine; // as gpu-peer.py prints it
        if (steady === true) return this.#card.restart();
        const stepMs = times && median(times);
        found.set(precision, { ...rest, stepMs, steps: times?.length, deviceMiB: this.#card.most });
        this.#card.restart();
      },
    });
    return precisions.map((precision) => found.get(precision) ?? { failed: failed ?? 'no result' });
  }
}

interface PeerLine extends Partial<Row> {
  readonly precision: Precision;
  readonly times?: readonly number[];
  /** Nothing but this: what follows are steps as they go on. */
  readonly steady?: boolean;
}

const torchDevice = (device: BenchDevice): string => (device === 'cpu' ? 'cpu' : 'cuda');

/** What PyTorch says of itself, or why it is not there. */
function probe(python: string, device: BenchDevice): { title?: string; problem?: string } {
  try {
    const options = { encoding: 'utf8', stdio: 'pipe' } as const;
    return JSON.parse(execFileSync(python, [peer, 'probe', torchDevice(device)], options));
  } catch (error) {
    // of a process that could not be started, or ended otherwise than with 0
    const { code, stderr = '' } = error as NodeJS.ErrnoException & { readonly stderr?: string };
    return { problem: `${python}: ${code === 'ENOENT' ? 'there is none' : causeOf(stderr)}` };
  }
}

function optionsOf(argv: readonly string[]): Options & { readonly noPeer: boolean } {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      budget: { type: 'string', default: '480' },
      device: { type: 'string', default: 'webgpu' },
      small: { type: 'boolean', default: false },
      cases: { type: 'string', default: cases.map(caseId).join(',') },
      python: { type: 'string', default: 'python3' },
      'no-peer': { type: 'boolean', default: false },
      out: { type: 'string' },
      folder: { type: 'string' },
      dtype: { type: 'string', default: 'float16' },
      steps: { type: 'string', default: '10' },
      threads: { type: 'string' },
      limit: { type: 'string', default: '120' },
    },
  });
  const among = <T extends string>(key: string, all: readonly T[], value: string): T => {
    const found = all.find((one) => one === value);
    if (found === undefined) throw new Error(`--${key} ${value}: one of ${all.join(', ')}`);
    return found;
  };
  return {
    size: values.small ? 'small' : 'full',
    device: among('device', benchDevices, values.device),
    dtype: among('dtype', ['float16', 'bfloat16', 'float32'], values.dtype),
    budget: Number(values.budget),
    limit: Number(values.limit),
    chosen: values.cases.split(',').map((id) => {
      const ids = cases.map(caseId);
      return cases[ids.indexOf(among('cases', ids, id))];
    }),
    python: values.python,
    folder: values.folder ?? mkdtempSync(join(tmpdir(), 'gpu-bench-')),
    steps: Number(values.steps),
    threads: values.threads === undefined ? undefined : Number(values.threads),
    out: values.out,
    noPeer: values['no-peer'],
  };
}

function header({ device, dtype, size, budget }: Options, torch: string): string {
  const machine = `${cpus()[0].model}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const card = cardName() ?? 'no nvidia-smi, so device memory is not measured';
  return [
    `${machine}; ${card}`,
    `Node ${process.versions.node}, ONNX Runtime ${runtimeVersion} on ${device}, weights ${dtype}, computed in f32; ${torch}`,
    `${size} size; budget ${budget} s; forward and backward, no optimiser; medians`,
  ].join('\n');
}

async function main(argv: readonly string[]): Promise<void> {
  const { noPeer, ...options } = optionsOf(argv);
  const torch = noPeer ? { problem: 'not asked for' } : probe(options.python, options.device);
  const about = torch.title ?? `without PyTorch: ${torch.problem}`;
  console.log(header(options, about));
  mkdirSync(options.folder, { recursive: true });
  if (options.out !== undefined) writeFileSync(options.out, '');
  const bench = new Bench(options, torch.problem && '–');
  try {
    await bench.run();
  } finally {
    if (!argv.includes('--folder')) rmSync(options.folder, { recursive: true, force: true });
  }
  const { rows } = bench;
  const blocks = [shares(rows), table(rows), comparisons(rows), jobs(rows)];
  console.log(`\n${header(options, about)}; ${bench.spent.toFixed(0)} s\n`);
  console.log(
    blocks
      .filter(({ length }) => length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n'),
  );
}

const argv = process.argv.slice(2);
if (argv[0] === 'ours')
  await measureOurs(JSON.parse(argv[1]) as OursSpec); // as this file gives it
else await main(argv);
