// Run folders as a training leaves them, made in a moment.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { LOCK_FILE } from '../storage/lock.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32 } from '../tensor/tensor.ts';
import { betweenName } from './checkpoints.ts';
import type { NewFacts } from './facts.ts';

export interface MadeRun {
  readonly id?: string;
  /** Of the adapter. */
  readonly name?: string;
  readonly task?: 'image' | 'text-generation';
  /** Steps with a checkpoint; each has other weights. */
  readonly steps?: readonly number[];
  /** Step of the result; without it there is none. */
  readonly result?: number;
  /** By step: the loss on what was held back. */
  readonly heldBack?: Readonly<Record<number, number>>;
  readonly losses?: readonly number[];
  /** As before checkpoints and starts were recorded. */
  readonly old?: boolean;
  readonly how?: 'done' | 'stopped' | 'diverged' | 'failed';
  /** Without it, the process was killed. */
  readonly ended?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly facts?: Partial<NewFacts>;
  readonly samples?: readonly { name: string; sha256: string; caption?: string }[];
}

/** Begins a folder that is gone after the test. */
export function testFolder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'lora-runs-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The bytes of the adapter of a step; those of the result are of its step. */
export const adapterBytes = (step: number): Uint8Array =>
  serialize(new Map([['lora_unet_a.lora_down.weight', float32([2], [step, step / 2])]]), {
    ss_steps: String(step),
  });

/** Makes the run; gives its folder back. */
export function makeRun(dir: string, made: MadeRun = {}): string {
  const { id = '20260131-120000', name = 'brand', task = 'image', steps = [200, 400] } = made;
  const written = filesOf(made, name, task, steps);
  for (const { files } of written)
    for (const [file, content] of files) place(join(dir, file), content);
  const settings = { task_type: task, base_model: './models/tiny', ...made.settings };
  place(
    join(dir, 'config.yaml'),
    yamlText({ ...settings, ...(!made.old && { output_name: name }) }),
  );
  place(join(dir, 'logs/metrics.jsonl'), metricsText(made, steps));
  if (made.samples) place(join(dir, 'data.json'), JSON.stringify({ samples: made.samples }));
  const entries = written.flatMap(({ files }) => [...files.keys()].map((one) => one.split('/')[0]));
  const names = ['run.json', 'config.yaml', 'logs', ...new Set(entries)];
  const facts: NewFacts = {
    id,
    started: '2026-01-31T12:00:00.000Z',
    seed: 42,
    device: 'cpu',
    threads: 2,
    versions: { 'lora-scripts': '0.2.0' },
    files: made.samples ? [...names, 'data.json'] : names,
    ...(made.old ? oldFacts(made) : newFacts(made, name, task, written)),
    ...made.facts,
  };
  place(join(dir, 'run.json'), JSON.stringify(facts));
  return dir;
}

interface Written {
  readonly step: number;
  readonly final: boolean;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

function filesOf(
  { result }: MadeRun,
  name: string,
  task: 'image' | 'text-generation',
  steps: readonly number[],
): Written[] {
  const final =
    task === 'image'
      ? [`${name}.safetensors`, 'pytorch_lora_weights.safetensors']
      : ['adapter_model.safetensors', 'adapter_config.json'];
  const content = (file: string, step: number) =>
    file.endsWith('.json') ? Buffer.from('{"r":2}\n') : adapterBytes(step);
  const between = task === 'image' ? final.slice(0, 1) : final;
  return [
    ...steps.map((step) => ({
      step,
      final: false,
      files: new Map(
        between.map((file) => [betweenName(file, step, task), content(file, step)] as const),
      ),
    })),
    ...(result === undefined
      ? []
      : [
          {
            step: result,
            final: true,
            files: new Map(final.map((file) => [file, content(file, result)] as const)),
          },
        ]),
  ];
}

const oldFacts = ({ how = 'done', ended = true }: MadeRun): Partial<NewFacts> =>
  ended && how === 'done' ? { finished: '2026-01-31T13:00:00.000Z' } : {};

function newFacts(
  { how = 'done', ended = true, heldBack = {}, losses = [] }: MadeRun,
  name: string,
  task: 'image' | 'text-generation',
  written: readonly Written[],
): Partial<NewFacts> {
  const step = Math.max(0, losses.length, ...written.map((one) => one.step));
  const at = '2026-01-31T13:00:00.000Z';
  return {
    name,
    task,
    base: './models/tiny',
    data: ['./data/brand'],
    ...(ended && how === 'done' && { finished: at }),
    starts: [
      {
        at: '2026-01-31T12:00:00.000Z',
        step: 0,
        pid: 1,
        host: hostname(),
        ...(ended && { ended: { how, step, at } }),
      },
    ],
    checkpoints: written.map((one) => ({
      step: one.step,
      at,
      final: one.final,
      ...(heldBack[one.step] !== undefined && { validationLoss: heldBack[one.step] }),
      files: Array.from(one.files, ([file, bytes]) => ({
        name: file,
        bytes: bytes.length,
        sha256: sha256(bytes),
      })),
    })),
  };
}

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

const yamlText = (settings: Readonly<Record<string, unknown>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');

function metricsText({ losses = [], heldBack = {} }: MadeRun, steps: readonly number[]): string {
  const course = losses.map((loss, i) => ({ step: i + 1, epoch: 1, loss, loss_average: loss }));
  const held = steps.flatMap((step) =>
    heldBack[step] === undefined ? [] : [{ step, validation_loss: heldBack[step] }],
  );
  return [...course, ...held].map((line) => `${JSON.stringify(line)}\n`).join('');
}

function place(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** A process at work in a folder: this one. */
export function lock(dir: string, pid = process.pid): void {
  const holder = { pid, host: hostname(), since: Date.now() };
  writeFileSync(join(dir, LOCK_FILE), JSON.stringify(holder));
}

/** What run.json says, unread by the product. */
export const rawFacts = (dir: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8'));
