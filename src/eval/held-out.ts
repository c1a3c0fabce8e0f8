// Questions from training data: the held-out split of the training, each conversation asked up to
// its last answer.

import { dirname, join, resolve } from 'node:path';
import { textSources } from '../dataset/text/configured.ts';
import { prepareTextData, type SelectSamples } from '../dataset/text/prepare.ts';
import type { TextSource } from '../dataset/text/read.ts';
import { endsWithAnswer, type TextSample } from '../dataset/text/sample.ts';
import type { Sequence } from '../dataset/text/sequences.ts';
import { DataError } from '../errors.ts';
import { readFacts } from '../runs/facts.ts';
import { DATA_FILE, readSamples } from '../runs/samples.ts';
import { hashOfText } from '../train/text/text-hash.ts';
import type { Seed } from '../util/philox.ts';
import type { PromptFormat } from './answerer.ts';
import type { EvalSet } from './eval-file.ts';
import { expectedFields, type Question } from './questions.ts';

export interface HeldOut {
  /** The files of the training, or folders of them. */
  readonly sources: readonly TextSource[];
  /** Files that are not trained: these are asked, and nothing is held out of `sources`. */
  readonly validationSources?: readonly TextSource[];
  /** Of the training: with the same share and seed, the same samples are held out. */
  readonly share: number;
  readonly seed: Seed;
  /** Of a run or in its folder: what that run recorded of its data goes before `share`. */
  readonly adapter?: string;
}

/** Throws DataError as training does. */
export async function heldOutSet(
  { sources: named, validationSources: validationFiles = [], share, seed, adapter }: HeldOut,
  { tokenizer, template, maxSeqLength }: PromptFormat,
): Promise<EvalSet> {
  const { sources, validationSources } = textSources({
    train_data: named.map(({ path, weight = 1 }) => ({ path, weight })),
    validation_data: validationFiles.map(({ path }) => path),
    validation_split: share,
  });
  const recorded = validationSources.length > 0 ? undefined : recordedSplit(adapter);
  const { train, validation, warnings } = await prepareTextData({
    sources,
    validationSources,
    validationShare: recorded?.heldOut === undefined ? share : 0,
    ...(recorded !== undefined && { select: recorded.select }),
    seed,
    tokenizer,
    template,
    maxSeqLength,
  });
  const { heldOut } = recorded ?? {};
  const asked =
    heldOut === undefined
      ? validation
      : train.filter(({ sample }) => heldOut.has(hashOfText(sample)));
  return { questions: heldOutQuestions(asked), general: [], warnings };
}

interface RecordedSplit {
  /** The samples of the run, whatever came to its data since. */
  readonly select: SelectSamples;
  /** By hash; undefined where it does not say, so that they are drawn again. */
  readonly heldOut: ReadonlySet<string> | undefined;
}

/**
 * Undefined where the adapter is of no run that lists its samples. Throws DataError where the list
 * is damaged, or has other samples.
 */
function recordedSplit(adapter: string | undefined): RecordedSplit | undefined {
  const run = adapter === undefined ? undefined : runFolderOf(adapter);
  const recorded = run === undefined ? undefined : readSamples(run);
  if (run === undefined || recorded === undefined) return undefined;
  const byHash = new Map(recorded.map((one) => [one.sha256, one]));
  const held = recorded.filter((one) => one.heldOut === true).map(({ sha256 }) => sha256);
  return {
    select: (found) => {
      const samples = found.filter((one) => byHash.has(hashOfText(one)));
      if (samples.length === 0) throw otherData(run);
      const old = samples.filter((one) => byHash.get(hashOfText(one))?.old === true);
      return { samples, old: new Set(old), warnings: [] };
    },
    heldOut: held.length === 0 ? undefined : new Set(held),
  };
}

/** A checkpoint lies in the folder of its run, and may be a file. */
const runFolderOf = (adapter: string): string | undefined =>
  [adapter, dirname(resolve(adapter)), dirname(dirname(resolve(adapter)))].find(
    (dir) => readFacts(dir) !== undefined,
  );

function otherData(run: string): DataError {
  const where = join(run, DATA_FILE);
  const what = 'none of the samples that this run was trained on is in the data now';
  const fix = 'Put them back, or ask others: --data, or a file of questions.';
  return new DataError([{ where, what, fix }]);
}

/** A question for each sample of the held-out sequences. */
function heldOutQuestions(validation: readonly Pick<Sequence, 'sample'>[]): Question[] {
  return [...new Set(validation.map(({ sample }) => sample))]
    .filter(({ content }) => endsWithAnswer(content))
    .map(asQuestion);
}

function asQuestion({ where, content }: TextSample): Question {
  const common = { where, facts: [], forbidden: [] };
  if (content.kind === 'text')
    return { ...common, prompt: { kind: 'text' }, expected: content.text };
  if (content.kind === 'completion')
    return {
      ...common,
      prompt: { kind: 'completion', text: content.prompt },
      expected: content.completion,
    };
  const last = content.messages[content.messages.length - 1];
  return {
    ...common,
    prompt: { kind: 'chat', messages: content.messages.slice(0, -1) },
    expected: last.content,
    ...expectedFields(last),
  };
}
