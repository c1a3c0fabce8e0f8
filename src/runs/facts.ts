// run.json: what a run says of itself. It lies in the run's folder, and there is no other list of
// runs.

import { z } from 'zod';
import { jsonObject } from '../util/own.ts';
import { readRecord, writeRecord, type CopiedRecord, type FoundRecord } from './copied-record.ts';

export const RUN_FILE = 'run.json';

const name = z.string().regex(/^[^/\\]+$/);
/** A path inside the folder, with forward slashes. */
const inside = z.string().regex(/^(?!\/|\.\.(\/|$))[^\\]+$/);
const date = z.iso.datetime();
const step = z.int().nonnegative();

const writtenFile = z.object({
  name: inside,
  bytes: z.int().nonnegative(),
  /** Of the whole file, in hexadecimal. */
  sha256: z.string(),
});

/** A file that is none of an adapter, named before it is written. */
const otherFile = writtenFile.extend({
  /** Of what lay there before: a crash may have left that. */
  before: z.string().optional(),
});

/** How a start of a run ended, where it could still say so. */
const ending = z.object({
  /**
   * done: all steps; stopped: asked to; diverged: numbers that are not finite; failed: an error.
   */
  how: z.enum(['done', 'stopped', 'diverged', 'failed']),
  step,
  at: date,
  reason: z.string().optional(),
});

/** One process that worked on the run. */
const start = z.object({
  at: date,
  /** Steps done before it. */
  step,
  pid: z.int(),
  host: z.string(),
  /** Of the running system, where it names it: another one means that the machine was restarted. */
  boot: z.string().optional(),
  /** How many processes the system had ended for lack of memory by then, where it counts them. */
  memoryKills: z.int().optional(),
  ended: ending.optional(),
});

const checkpoint = z.object({
  step,
  at: date,
  /** The adapter first. */
  files: z.array(writtenFile).min(1),
  /** The result of the run, under its own name; the others are in between. */
  final: z.boolean().default(false),
  /** Moving mean of the losses then. */
  loss: z.number().optional(),
  /** On what was held back, where it was looked at then. */
  validationLoss: z.number().optional(),
  /** Saved because it was the best by then, and for that alone: it goes when a better one comes. */
  asBest: z.boolean().optional(),
});

/** A setting that a later start of the run changed. */
const change = z.object({ at: date, step, key: z.string(), from: z.unknown(), to: z.unknown() });

const parent = z.object({
  /** Of the run that the weights came from; absent where a file was given. */
  run: z.string().optional(),
  /** As it was written. */
  from: z.string(),
  file: z.string(),
  sha256: z.string(),
  step: step.optional(),
});

/** Of old or new data; see `LossBeforeAndAfter`. */
const measuredLoss = z.object({
  samples: step,
  of: step,
  trained: z.boolean(),
  before: z.number(),
  after: z.number().optional(),
});

/** Of a run that went on from an adapter: see `ForgettingEvent`. */
const forgetting = z.object({
  sampleName: z.string(),
  /** After which the losses were measured last; 0: before the first. */
  step,
  old: measuredLoss.optional(),
  new: measuredLoss.optional(),
  headline: z.string(),
  reasons: z.array(z.string()),
});

const plan = z.object({
  totalSteps: step,
  epochs: step,
  stepsPerEpoch: z.int().positive(),
  samples: step,
  sampleName: z.string(),
  trainableParameters: step,
  memoryEstimate: z.number().optional(),
});

const facts = z.object({
  /** Date and time of the first start, in UTC: `20260131-235959`. */
  id: z.string().regex(/^[\w-]+$/),
  /** Of the adapter. */
  name: z.string().optional(),
  task: z.enum(['image', 'text-generation']).optional(),
  /** As it was written. */
  base: z.string().optional(),
  /** As it was written. */
  data: z.array(z.string()).default([]),
  started: date,
  finished: date.optional(),
  seed: z.int(),
  device: z.string(),
  /** The graphics card that computed, where one did. */
  adapter: z.string().optional(),
  threads: z.int(),
  versions: jsonObject,
  /** The configuration of the latest start, its paths as they were written. */
  settings: jsonObject.optional(),
  /** What the plan decided and another start must not decide anew: it would change numbers. */
  decisions: jsonObject.optional(),
  /** Of the frozen weights; see `weightsFingerprint`. */
  baseFingerprint: z.string().optional(),
  /** Set while the run is being moved out of the folder for another: it is not to be continued. */
  leaving: z.boolean().optional(),
  plan: plan.optional(),
  parent: parent.optional(),
  /** What it did to what the parent had learned. */
  forgetting: forgetting.optional(),
  starts: z.array(start).default([]),
  changes: z.array(change).default([]),
  /** Other files that were saved whole. */
  written: z.array(otherFile).default([]),
  /** By step; those whose files were removed are gone from it. */
  checkpoints: z.array(checkpoint).default([]),
  /** The step whose weights the result has, where it is not the last. */
  current: step.optional(),
  /** Names that people gave to checkpoints. */
  tags: z.array(z.object({ tag: z.string(), step })).default([]),
  /** Every file and folder of the run, relative to its folder. */
  files: z.array(name),
});

/** What run.json says. */
export type RunFacts = Readonly<z.output<typeof facts>>;
/** What has to be said of a new run. */
export type NewFacts = Readonly<z.input<typeof facts>>;
export type Start = z.output<typeof start>;
export type Checkpoint = z.output<typeof checkpoint>;
export type Change = z.output<typeof change>;

/** Without it there is no run, so it is there twice. */
const record: CopiedRecord<RunFacts> = {
  name: RUN_FILE,
  copy: 'state/run.copy.json',
  parse: (value) => facts.parse(value),
  fix: 'Move it elsewhere, and try again.',
};

/**
 * What the run.json of a folder says, or its copy where it is damaged; undefined where there is
 * none. Throws DataError where both are damaged, or are not ours.
 */
export const readFacts = (dir: string): RunFacts | undefined => foundFacts(dir)?.value;

/** As `readFacts`, with what was found: what other versions wrote besides, and damage. */
export const foundFacts = (dir: string): FoundRecord<RunFacts> | undefined =>
  readRecord(dir, record);

/** Throws SystemError. */
export const writeFacts = (dir: string, content: object): void =>
  writeRecord(dir, record, `${JSON.stringify(content, null, 2)}\n`);

/** With what a reader of the file fills in. */
export const wholeFacts = (given: NewFacts): RunFacts => facts.parse(given);

/** `20260131-235959`, in UTC, as all times of a run. */
export const runId = (date: Date): string =>
  date.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
