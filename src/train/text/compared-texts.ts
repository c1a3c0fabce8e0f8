// The texts that a run which goes on from an adapter is measured on before and after: old ones, and
// new ones.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { textSources } from '../../dataset/text/configured.ts';
import type { TextData } from '../../dataset/text/prepare.ts';
import { readTextFiles, type TextSource } from '../../dataset/text/read.ts';
import type { TextSample } from '../../dataset/text/sample.ts';
import { sequencesOf, type Sequence } from '../../dataset/text/sequences.ts';
import { UserError, type Problem } from '../../errors.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import {
  chosenSets,
  decisionOf,
  measuredCount,
  recordedSets,
  type BothSets,
  type ComparedDecision,
  type Elsewhere,
} from '../both-sets.ts';
import { foundPath, goneNote, keyOfPart, type ComparedRun, type OldAndNew } from '../old-data.ts';
import { hashOfText } from './text-hash.ts';

export interface ComparedTexts {
  readonly sets: BothSets<Sequence>;
  /** Those of them that the run neither trains nor holds back. */
  readonly besides: readonly Sequence[];
  /** What is validated on: what nobody asked to hold back is only compared. */
  readonly validation: readonly Sequence[];
  readonly decision: ComparedDecision;
  readonly warnings: readonly Problem[];
}

export interface ComparingOptions {
  readonly run: ComparedRun;
  readonly both: OldAndNew<TextSample>;
  readonly data: TextData;
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate | undefined;
  readonly job: Pick<LoadedConfig, 'config' | 'source'>;
}

/** Looks for old texts that are not in the data of this run where the earlier run had them. */
export async function comparedTexts(options: ComparingOptions): Promise<ComparedTexts> {
  const { run, both, data } = options;
  const there = await textsElsewhere(options);
  const samples = [...both.leftOut, ...there.samples];
  const old = new Set([...both.old, ...samples]);
  const leftOut = samples.flatMap((sample) => sequencesIn(sample, options));
  const trainable = new Set(both.samples);
  const heldOut = data.validation.filter(({ sample }) => trainable.has(sample));
  const isImplied = run.share > 0;
  const keys = keysOf([...data.train, ...data.validation, ...leftOut]);
  const measurable = {
    trained: data.train,
    // files of their own are neither old nor new
    heldOut,
    leftOut,
    isOld: ({ sample }: Sequence) => old.has(sample),
    keyOf: (one: Sequence) => keys.get(one) ?? '',
  };
  const trained = trainedSequences(options);
  const sets =
    run.recorded === undefined
      ? chosenSets(measurable, measuredCount(trained, 1))
      : recordedSets(run.recorded, measurable);
  const measured = new Set(
    [sets.old, sets.new].flatMap((set) => set?.samples ?? []).map(({ of }) => of),
  );
  const { share, isUnknown, elsewhere } = run;
  return {
    sets,
    besides: [...leftOut, ...(isImplied ? heldOut : [])].filter((one) => measured.has(one)),
    validation: isImplied
      ? data.validation.filter((one) => !heldOut.includes(one))
      : data.validation,
    decision: decisionOf(sets, { share, isUnknown, elsewhere }),
    warnings: there.warnings,
  };
}

/** As the run would train them. */
const sequencesIn = (
  sample: TextSample,
  { tokenizer, template, job: { config } }: ComparingOptions,
): readonly Sequence[] =>
  sequencesOf(sample, {
    ...{ tokenizer, template },
    maxSeqLength: config.max_seq_length,
    trainOn: config.train_on,
    excessLength: config.excess_length,
  }).sequences.filter(({ trained }) => trained.includes(1));

/** Of each sequence: its text, and its number in that. */
function keysOf(sequences: readonly Sequence[]): ReadonlyMap<Sequence, string> {
  const counts = new Map<TextSample, number>();
  return new Map(
    sequences.map((one) => {
      const part = counts.get(one.sample) ?? 0;
      counts.set(one.sample, part + 1);
      return [one, keyOfPart(hashOfText(one.sample), part)] as const;
    }),
  );
}

/** How many sequences the run trains in all, each as often as it comes. */
function trainedSequences({ data, job: { config } }: ComparingOptions): number {
  const { max_train_steps, batch_size, gradient_accumulation_steps, epochs } = config;
  return max_train_steps === undefined
    ? epochs * data.weights.reduce((sum, weight) => sum + weight, 0)
    : max_train_steps * batch_size * gradient_accumulation_steps;
}

interface Readable {
  readonly samples: readonly TextSample[];
  readonly warnings: readonly Problem[];
}

/** Old texts that the data of this run lack, and what has become of the others. */
async function textsElsewhere({
  run: { elsewhere, recorded },
  both: { missing, old },
  job: { source },
}: ComparingOptions): Promise<Readable> {
  if (missing.length === 0) return { samples: [], warnings: [] };
  const where = placeOf('continue_from', source);
  const { samples: there, warnings } = await readElsewhere(elsewhere, where);
  const wanted = new Set(missing.map(({ sha256 }) => sha256));
  const samples = there.filter((sample) => wanted.delete(hashOfText(sample)));
  const gone = missing.filter(({ sha256 }) => wanted.has(sha256));
  const of = missing.length + old.size;
  const told =
    recorded === undefined ? goneNote(gone, new Set(), { where, sampleName: 'sample', of }) : [];
  return { samples, warnings: [...warnings, ...told] };
}

/** Files that cannot be read any more are told. */
async function readElsewhere(elsewhere: Elsewhere | undefined, where: string): Promise<Readable> {
  const nothing = { samples: [], warnings: [] };
  if (elsewhere === undefined) return nothing;
  const found = elsewhere.paths.flatMap((path) => foundPath(path, elsewhere.near) ?? []);
  const { sources } = textSources({
    train_data: found.map((path) => ({ path, weight: 1 })),
    validation_data: [],
  });
  const files = await Promise.all(sources.map((one) => readOne(one, where)));
  return {
    samples: files.flatMap(({ samples }) => samples),
    warnings: files.flatMap(({ warnings }) => warnings),
  };
}

async function readOne(source: TextSource, where: string): Promise<Readable> {
  try {
    return { ...(await readTextFiles([source])), warnings: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [problem] = error.problems;
    const what = `texts of the earlier run cannot be read where it had them: ${problem.where}: ${problem.what}`;
    return { samples: [], warnings: [{ where, what }] };
  }
}
