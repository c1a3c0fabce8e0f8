// Files of samples as sequences to train and to validate on; what would fail silently is found here
// and named.
import { DataError, type Problem } from '../../errors.ts';
import { faultsByKind, problemsByKind } from '../../util/problems-by-kind.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { permutation, type Seed } from '../../util/philox.ts';
import { plural } from '../../util/plural.ts';
import { streamOf } from '../../util/streams.ts';
import { heldBackCounts, type HeldBackShare } from '../held-back.ts';
import { contentFindings, unknownScript } from './content-findings.ts';
import { readTextFiles, repeated, type ReadText, type TextSource } from './read.ts';
import { contentKey, type TextSample } from './sample.ts';
import type { Finding } from './findings.ts';
import { templatePrompt } from './template-prompt.ts';
import { unreadMessageFields } from './unread-fields.ts';
import { type Sequence, type SequenceOptions, sequencesOf } from './sequences.ts';

export interface TextDataOptions extends SequenceOptions {
  readonly sources: readonly TextSource[];
  /** Files to validate on. */
  readonly validationSources?: readonly TextSource[];
  /** Without such files: this share of the samples, drawn by `seed`, is held back. Default 0. */
  readonly validationShare?: number;
  /** Whether the user asked for that share (default); see `heldBackCounts`. */
  readonly isShareGiven?: boolean;
  readonly seed: Seed;
  /** Which samples are trained; all by default. */
  readonly select?: SelectSamples;
}

export interface SelectedSamples {
  readonly samples: readonly TextSample[];
  /** Those of an earlier run: of them as of the others a share is held back. */
  readonly old?: ReadonlySet<TextSample>;
  readonly warnings: readonly Problem[];
}

export type SelectSamples = (samples: readonly TextSample[]) => SelectedSamples;

const all: SelectSamples = (samples) => ({ samples, warnings: [] });

export interface TextData {
  readonly train: readonly Sequence[];
  /** How often an epoch shows each sequence of `train`. */
  readonly weights: readonly number[];
  readonly validation: readonly Sequence[];
  /** What is trained, before anything of it is held back. */
  readonly samples: readonly TextSample[];
  /** What was found, for the log. */
  readonly notices: readonly string[];
  readonly warnings: readonly Problem[];
}

/**
 * Reads, writes out as tokens and checks all samples. Throws one DataError with every fault: of the
 * files, and those of `Finding` that are errors. An end token that is never trained is an error,
 * one that some samples lack a warning.
 */
export async function prepareTextData(options: TextDataOptions): Promise<TextData> {
  const { sources, validationSources = [], seed, select = all } = options;
  const nothing = { samples: [], notices: [], warnings: [] };
  const [found, validated] = await bothRead(
    readTextFiles(sources),
    validationSources.length > 0 ? readTextFiles(validationSources) : nothing,
  );
  const selected = select(found.samples);
  const read = { ...found, samples: selected.samples };
  const train = tokenized(read.samples, options);
  const validation = tokenized(validated.samples, options);
  const findings = [...train.findings, ...validation.findings];
  requireUsable([...errorsOf(findings, train), ...nothingLeft(train.sequences, findings)]);
  const held = heldShare(options);
  const isOld = ({ sample }: Sequence) => selected.old?.has(sample) === true;
  const [kept, drawn] = split(train.sequences, held, seed, isOld);
  const weights = kept.map(({ sample }) => sources[sample.source].weight ?? 1);
  requireShown(weights);
  return {
    train: kept,
    weights,
    validation: [...drawn, ...validation.sequences],
    samples: read.samples,
    notices: [
      ...read.notices,
      ...validated.notices,
      countNotice(kept, [...drawn, ...validation.sequences]),
    ],
    warnings: [
      ...read.warnings,
      ...selected.warnings,
      ...leaked(read.samples, validated.samples),
      ...warningsOf(findings),
      ...otherEnd(train.sequences, options.tokenizer),
      ...unknownScript(train.sequences, options.tokenizer),
      ...templateWarnings([...read.samples, ...validated.samples], options),
      ...nothingHeld(drawn, held),
    ],
  };
}

function requireUsable(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new DataError(problems);
}

/** Files to validate on go before a share. */
const heldShare = ({
  validationSources = [],
  validationShare = 0,
  isShareGiven = true,
}: TextDataOptions): HeldBackShare => ({
  share: validationSources.length > 0 ? 0 : validationShare,
  isGiven: isShareGiven,
});

const templateWarnings = (
  samples: readonly TextSample[],
  { template, tokenizer }: SequenceOptions,
): Problem[] => [
  ...unreadMessageFields(samples, template),
  ...templatePrompt(samples, template, tokenizer),
];

/** The faults of both in one error. */
async function bothRead(
  ...files: readonly (ReadText | Promise<ReadText>)[]
): Promise<readonly [ReadText, ReadText]> {
  const problems: Problem[] = [];
  const read: ReadText[] = [];
  for (const outcome of await Promise.allSettled(files)) {
    if (outcome.status === 'fulfilled') read.push(outcome.value);
    else if (outcome.reason instanceof DataError) problems.push(...outcome.reason.problems);
    else throw outcome.reason;
  }
  if (problems.length > 0) throw new DataError(problems);
  return [read[0], read[1]];
}

interface Tokenized {
  readonly sequences: readonly Sequence[];
  readonly findings: readonly Finding[];
  /**
   * Whether there are answers, and none ends with a token that is trained: the model would never
   * learn to stop.
   */
  readonly endless: boolean;
}

function tokenized(samples: readonly TextSample[], options: SequenceOptions): Tokenized {
  const inWords = contentFindings(options.tokenizer);
  const all = samples.map((sample) => sequencesOf(sample, options));
  const sequences = all.flatMap((one) => one.sequences);
  const findings = all.flatMap((one, i) => [...one.findings, ...inWords(samples[i])]);
  const ends = new Set([...options.tokenizer.specialIds, ...options.tokenizer.endIds]);
  const answers = sequences.filter(({ sample }) => sample.content.kind !== 'text');
  return {
    sequences,
    findings,
    endless:
      answers.length > 0 &&
      !answers.some(({ ids, trained }) => ids.some((id, i) => trained[i] === 1 && ends.has(id))),
  };
}

// ---- what the findings become

/**
 * Where no answer at all ends with a token that is trained, what is a warning for one sample is an
 * error.
 */
function errorsOf(findings: readonly Finding[], { endless }: Tokenized): Problem[] {
  const found = findings.filter(
    ({ kind, severity }) =>
      severity === 'error' || (endless && (kind === 'no end token' || kind === 'cut off')),
  );
  // a token without an embedding is told for each token, not once for all that lack one
  const errors = faultsByKind(
    found.map(({ severity: _, ...one }) =>
      one.kind === 'no embedding' ? { ...one, kind: one.what } : one,
    ),
  );
  const cut = endless ? findings.find(({ kind }) => kind === 'cut off') : undefined;
  return cut === undefined
    ? errors
    : [
        ...errors,
        {
          where: cut.where,
          what: 'and no other answer in the data ends within max_seq_length either: the model would not learn to stop',
        },
      ];
}

const warningsOf = (findings: readonly Finding[]): Problem[] =>
  problemsByKind(
    findings
      .filter(({ severity }) => severity === 'warning')
      .map(({ kind, severity: _, ...found }) =>
        found.detail === undefined ? { ...found, kind } : found,
      ),
  );

function nothingLeft(sequences: readonly Sequence[], findings: readonly Finding[]): Problem[] {
  if (sequences.length > 0 || findings.some(({ severity }) => severity === 'error')) return [];
  return [
    {
      where: 'train_data',
      what: 'no samples are left to train on: all are longer than max_seq_length',
      fix: 'Raise max_seq_length.',
    },
  ];
}

/** A weight that is too small for the number of sequences would show none of them, in any epoch. */
function requireShown(weights: readonly number[]): void {
  const counts = new Map<number, number>();
  for (const weight of weights) counts.set(weight, (counts.get(weight) ?? 0) + 1);
  const never = [...counts].filter(([weight, count]) => Math.round(weight * count) === 0);
  if (never.length > 0)
    throw new DataError(
      never.map(([weight, count]) => ({
        where: 'train_data',
        what: `weight ${weight} shows none of ${plural(count, 'sequence')} in an epoch`,
        fix: `Raise it to at least ${Math.ceil(50 / count) / 100}.`,
      })),
    );
}

function leaked(train: readonly TextSample[], held: readonly TextSample[]): Problem[] {
  const known = new Map(train.map(({ content, where }) => [contentKey(content), where]));
  const found = held.filter(({ content }) => known.has(contentKey(content)));
  return [
    ...repeated(held),
    ...problemsByKind(
      found.map(({ where, content }) => ({
        where,
        detail: `like ${known.get(contentKey(content))}`,
        what: 'is in the training data too; it does not show what was learned',
      })),
    ),
  ];
}

const nothingHeld = (drawn: readonly Sequence[], { share, isGiven }: HeldBackShare): Problem[] =>
  drawn.length > 0 || !isGiven || !(share > 0)
    ? []
    : [
        {
          where: 'validation_split',
          what: 'leaves nothing to validate on: there is only one sample',
        },
      ];

/**
 * Answers may end with a token at which programs do not stop: base models with the template of
 * their chat model.
 */
function otherEnd(
  sequences: readonly Sequence[],
  { specialIds, endIds, tokenOf }: TextTokenizer,
): Problem[] {
  const one = sequences.find(
    ({ sample, ids, trained }) => sample.content.kind === 'chat' && trained[ids.length - 1] === 1,
  );
  const end = one?.ids.findLast((id, i) => one.trained[i] === 1 && specialIds.has(id));
  if (one === undefined || end === undefined || endIds.includes(end)) return [];
  const stops = endIds
    .map((id) => tokenOf(id) ?? `token ${id}, which the tokenizer does not have`)
    .join(', ');
  return [
    {
      where: one.sample.where,
      what: `answers end with ${tokenOf(end) ?? `token ${end}`}, but generation stops at ${stops === '' ? 'no token' : stops}`,
      fix: `Add ${end} to eos_token_id in the model's generation_config.json.`,
    },
  ];
}

function countNotice(train: readonly Sequence[], validation: readonly Sequence[]): string {
  const tokens = train.reduce((sum, { ids }) => sum + ids.length, 0);
  const trained = train.reduce((sum, one) => sum + one.trained.reduce((n, flag) => n + flag, 0), 0);
  const held =
    validation.length === 0 ? '' : `; ${plural(validation.length, 'sequence')} to validate on`;
  return `${plural(train.length, 'sequence')} with ${tokens} tokens, ${trained} of them trained${held}`;
}

// ---- validation

/**
 * Holds back round(share × samples), at least one and never all; the rest keeps its order. All
 * sequences of a conversation stay on one side, and its twins with it; a long text's are divided,
 * since it may be the only one.
 */
function split(
  sequences: readonly Sequence[],
  held: HeldBackShare,
  seed: Seed,
  isOld: (one: Sequence) => boolean,
): [Sequence[], Sequence[]] {
  const kinds = new Map(sequences.map((one) => [unitOf(one), isOld(one) ? 'old' : 'new']));
  const units = [...kinds];
  if (!(held.share > 0) || units.length < 2) return [[...sequences], []];
  const left = heldBackCounts([...kinds.values()], held);
  const drawn = new Set<Sequence | string>();
  for (const i of permutation(seed, streamOf('heldOut'), units.length)) {
    const [unit, kind] = units[i];
    const count = left.get(kind) ?? 0;
    if (count === 0) continue;
    drawn.add(unit);
    left.set(kind, count - 1);
  }
  return [
    sequences.filter((one) => !drawn.has(unitOf(one))),
    sequences.filter((one) => drawn.has(unitOf(one))),
  ];
}

const unitOf = (one: Sequence): Sequence | string =>
  one.sample.content.kind === 'text' ? one : contentKey(one.sample.content);
