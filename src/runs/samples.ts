// What a run was trained on, and what has become of it when the run goes on.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DataError, type Problem } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { readRecord, type CopiedRecord, type FoundRecord } from './copied-record.ts';

/** The samples of a run, in the order in which it counts them. */
export const DATA_FILE = 'data.json';

const sample = z.object({
  /** Of a picture: its path in the data folder. Of a text: where it stands, `file:line`. */
  name: z.string(),
  /** Of the picture's file, or of the text. */
  sha256: z.string(),
  /** Of a picture's caption: its SHA-256. */
  caption: z.string().optional(),
  repeats: z.number().optional(),
  /** In a run that went on from another: that one was trained on it, too. */
  old: z.boolean().optional(),
  /** It was held back: the run was not trained on it. Runs of earlier versions do not say. */
  heldOut: z.boolean().optional(),
});
const dataFile = z.object({
  samples: z.array(sample),
  /** Those of the runs that it came from, and not trained: they lay there as well, or elsewhere. */
  leftOut: z.array(sample).default([]),
});

export type RecordedSample = Readonly<z.output<typeof sample>>;

export const textHash = (text: string): string => createHash('sha256').update(text).digest('hex');

export interface RecordedData {
  readonly samples: readonly RecordedSample[];
  readonly leftOut: readonly RecordedSample[];
}

function dataText({ samples, leftOut }: RecordedData): string {
  const lines = (list: readonly RecordedSample[]) =>
    list.map((one) => JSON.stringify(one)).join(',\n');
  const besides = leftOut.length === 0 ? '' : `, "leftOut": [\n${lines(leftOut)}\n]`;
  return `{ "samples": [\n${lines(samples)}\n]${besides} }\n`;
}

const record: CopiedRecord<RecordedData> = {
  name: DATA_FILE,
  copy: 'state/data.copy.json',
  parse: (value) => dataFile.parse(value),
  fix: 'Begin a new run with --fresh.',
};

/**
 * The samples of a run, with the damage that was found; undefined where its folder does not say.
 * Throws DataError where the file and its copy are damaged.
 */
export const foundData = (dir: string): FoundRecord<RecordedData> | undefined =>
  readRecord(dir, record);

/** As `foundData`, what is trained alone. */
export const readSamples = (dir: string): readonly RecordedSample[] | undefined =>
  foundData(dir)?.value.samples;

/** With their copy. Throws SystemError. */
export function writeData(
  folder: { keep(name: string, content: string): void },
  { samples, leftOut }: RecordedData,
): void {
  for (const name of [record.name, record.copy]) folder.keep(name, dataText({ samples, leftOut }));
}

export interface Matched<T> {
  /** Those of the run that are still there, in its order. */
  readonly kept: readonly T[];
  /** What was recorded of each of them. */
  readonly recorded: readonly RecordedSample[];
  readonly warnings: readonly Problem[];
}

export interface MatchOptions {
  /** What a sample is called: `picture`. */
  readonly sampleName: string;
  /** The data, for messages. */
  readonly where: string;
  /** Whether a sample is known by its name first, or by what is in it. */
  readonly byName: boolean;
}

/** So few of its samples make other data. */
const LEAST_SHARE = 0.5;
const MOST_NAMED = 3;

/**
 * What is there now against what the run was begun with. New samples are left out, so that the run
 * stays what it is; a picture under another name, or a text in another line, is the same; those
 * that are gone or changed make it another run from here on, which is said. Throws DataError where
 * less than half of the run's samples are left: those are other data.
 */
export function matchSamples<T>(
  found: readonly T[],
  { samples: recorded, leftOut }: RecordedData,
  recordOf: (one: T) => RecordedSample,
  options: MatchOptions,
): Matched<T> {
  const present = found.map(recordOf);
  const pairs = paired([...recorded, ...leftOut], present, options);
  const left = recorded.filter((before, i) => isLeft(before, present[pairs[i]]));
  if (left.length < LEAST_SHARE * recorded.length)
    throw otherData(left.length, recorded.length, options);
  const known = new Set(pairs);
  const added = present.filter((_, i) => !known.has(i));
  const those = (is: (before: RecordedSample, now?: RecordedSample) => boolean) =>
    recorded.filter((before, i) => is(before, present[pairs[i]]));
  const missing = those((_, now) => now === undefined);
  const changed = those((before, now) => now !== undefined && differs(before, now));
  return {
    kept: pairs.slice(0, recorded.length).flatMap((i) => (i < 0 ? [] : [found[i]])),
    recorded: those((_, now) => now !== undefined),
    warnings: [
      ...told(added, 'was added', 'were added', ADDED, options),
      ...told(missing, 'is gone', 'are gone', MISSING, options),
      ...told(changed, 'was changed', 'were changed', CHANGED, options),
    ],
  };
}

/**
 * For each of `before` its place in `now`, -1 where it is gone: by name and then by content, or the
 * other way round. Several of one key are taken in their order.
 */
function paired(
  before: readonly RecordedSample[],
  now: readonly RecordedSample[],
  { byName }: MatchOptions,
): number[] {
  const keys = byName ? (['name', 'sha256'] as const) : (['sha256', 'name'] as const);
  const pairs = before.map(() => -1);
  const taken = new Set<number>();
  for (const key of keys) {
    const waiting = new Map<string, number[]>();
    for (const [i, one] of now.entries())
      if (!taken.has(i)) waiting.set(one[key], [...(waiting.get(one[key]) ?? []), i]);
    for (const [i, one] of before.entries()) {
      const next = pairs[i] < 0 ? waiting.get(one[key])?.shift() : undefined;
      if (next !== undefined) taken.add((pairs[i] = next));
    }
  }
  return pairs;
}

/** Another content under the same name is another sample, unless its caption is the same. */
const isLeft = (before: RecordedSample, now: RecordedSample | undefined): boolean =>
  now !== undefined &&
  (before.sha256 === now.sha256 ||
    (before.caption !== undefined && before.caption === now.caption));

const ADDED =
  'The run goes on with what it was begun with, so that nothing shifts. To train the new ones, too, let it end, then begin another with continue_from.';
const MISSING =
  'The run goes on without them: the order of the others and the length of an epoch change, so it is no longer to the last digit the run that it would have been. If that is not meant, stop it, put them back, and start it again.';
const CHANGED =
  'The run goes on with what is there now, so it is no longer to the last digit the run that it would have been. If that is not meant, stop it, put the earlier ones back, and start it again.';

function told(
  samples: readonly RecordedSample[],
  one: string,
  several: string,
  fix: string,
  { where, sampleName }: MatchOptions,
): Problem[] {
  if (samples.length === 0) return [];
  const more = samples.length - MOST_NAMED;
  const named = samples.slice(0, MOST_NAMED).map(({ name }) => name);
  const listed = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
  const what = `since the run was begun, ${plural(samples.length, sampleName)} ${samples.length === 1 ? one : several}: ${listed}`;
  return [{ where, what, fix }];
}

function otherData(kept: number, recorded: number, { where, sampleName }: MatchOptions): DataError {
  const what = `has ${kept} of the ${plural(recorded, sampleName)} that the run was begun with: these are other data`;
  const fix =
    'Give the data of the run, or begin a new one with --fresh; continue_from gives it the weights of this one.';
  return new DataError([{ where, what, fix }]);
}

const differs = (a: RecordedSample, b: RecordedSample): boolean =>
  a.sha256 !== b.sha256 || a.caption !== b.caption || (a.repeats ?? 1) !== (b.repeats ?? 1);
