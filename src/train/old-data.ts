// What the run that another goes on from was trained on: found again among the data of that other
// run, or where the earlier run had it.

import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Problem } from '../errors.ts';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import { withHome } from '../config/output-path.ts';
import type { Matched, RecordedSample } from '../runs/samples.ts';
import { plural } from '../util/plural.ts';
import type { ComparedDecision, Elsewhere } from './both-sets.ts';
import type { TaskContext } from './task.ts';

/** The samples of this run, as those of an earlier one divide them. */
export interface OldAndNew<T> {
  /** Those to train on, or to hold back. */
  readonly samples: readonly T[];
  /** Of them and of `leftOut`. */
  readonly old: ReadonlySet<T>;
  readonly leftOut: readonly T[];
  /** What the earlier run was trained on that is not here. */
  readonly missing: readonly RecordedSample[];
  /** What else the earlier runs had, and this one is not trained on. */
  readonly earlier: readonly RecordedSample[];
  readonly warnings: readonly Problem[];
}

/** Of a run that goes on from an adapter. */
export interface ComparedRun {
  /** As an earlier start recorded it; undefined in the first. */
  readonly recorded: ComparedDecision | undefined;
  readonly elsewhere: Elsewhere | undefined;
  /** Of each kind that is held back, where the configuration does not say. */
  readonly share: number;
  /** What the earlier run was trained on is not known. */
  readonly isUnknown: boolean;
}

/** Where the configuration does not say. */
const SHARE = 0.1;

/**
 * How old and new data are compared in this run; undefined where there is nothing to compare, or
 * earlier starts of it did not.
 */
export function comparedRun(
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  { start, recorded }: Pick<TaskContext, 'start' | 'recorded'>,
  decided: ComparedDecision | undefined,
): ComparedRun | undefined {
  if (recorded !== undefined) {
    if (decided === undefined) return undefined;
    const { share, elsewhere, isUnknown } = decided;
    return { recorded: decided, share, elsewhere, isUnknown };
  }
  if (start === undefined) return undefined;
  const says = source.given.has('validation_split') || config.validation_data.length > 0;
  const share = says ? 0 : SHARE;
  return {
    recorded: undefined,
    share,
    elsewhere: start.data,
    isUnknown: start.before === undefined,
  };
}

/** What of a run that goes on is old, and what of the earlier data it still measures. */
export function stillCompared<T>(
  found: readonly T[],
  { kept, recorded }: Matched<T>,
  compared: ComparedDecision | undefined,
  hashOf: (one: T) => string,
): Omit<OldAndNew<T>, 'warnings'> {
  const trained = new Set(kept);
  const old = compared?.old?.keys.map(hashOfKey) ?? [];
  const wanted = new Set(old);
  const leftOut = found.filter((one) => !trained.has(one) && wanted.has(hashOf(one)));
  const here = new Set([...kept, ...leftOut].map(hashOf));
  return {
    samples: kept,
    old: new Set([...kept.filter((_, i) => recorded[i].old === true), ...leftOut]),
    leftOut,
    missing: old.filter((sha256) => !here.has(sha256)).map((sha256) => ({ name: sha256, sha256 })),
    earlier: [],
  };
}

/** As a run records what its earlier runs had and it is not trained on. */
export const recordedBesides = <T>(
  { leftOut, missing, earlier }: Pick<OldAndNew<T>, 'leftOut' | 'missing' | 'earlier'>,
  recordOf: (one: T) => RecordedSample,
): readonly RecordedSample[] => [...leftOut.map(recordOf), ...missing, ...earlier];

/** Of the part of a sample: its number in the sample, behind the hash. */
export const keyOfPart = (sha256: string, part: number): string => `${sha256}/${part}`;
const hashOfKey = (key: string): string => key.split('/')[0];

/** A path as an earlier run had it: from here, or from its folder and those above. */
export function foundPath(path: string, near: string): string | undefined {
  const given = withHome(path);
  const candidates = isAbsolute(given)
    ? [given]
    : [given, ...upwards(resolve(near)).map((above) => join(above, given))];
  return candidates.find((candidate) => existsSync(candidate));
}

const upwards = (folder: string): string[] =>
  dirname(folder) === folder ? [folder] : [folder, ...upwards(dirname(folder))];

/** That some are held back though nobody asked for it. */
export function impliedNote(
  count: number,
  all: number,
  { sampleName, source }: { readonly sampleName: string } & Pick<LoadedConfig, 'source'>,
): Problem[] {
  if (count === 0) return [];
  const what = `a run that goes on from an adapter holds back a tenth of the old and of the new data where there are plenty: ${count} of ${plural(all, sampleName)} ${count === 1 ? 'is' : 'are'} not trained, to measure what is learned and forgotten`;
  const fix = 'validation_split: 0 trains all of them.';
  return [{ where: placeOf('validation_split', source), what, fix }];
}

const MOST_NAMED = 3;

/** What to tell of earlier samples that are nowhere; `names` are those that are in the data now. */
export function goneNote(
  gone: readonly RecordedSample[],
  names: ReadonlySet<string>,
  {
    where,
    sampleName,
    of,
  }: { readonly where: string; readonly sampleName: string; readonly of: number },
): Problem[] {
  if (gone.length === 0) return [];
  const listed = gone
    .slice(0, MOST_NAMED)
    .map(({ name }) => (names.has(name) ? `${name} (changed)` : name));
  const more = gone.length > MOST_NAMED ? [`${gone.length - MOST_NAMED} more`] : [];
  const what = `of the ${plural(of, sampleName)} that the earlier run was trained on, ${gone.length} ${gone.length === 1 ? 'is' : 'are'} gone or changed: ${[...listed, ...more].join(', ')}`;
  const fix =
    gone.length === of
      ? 'What this run forgets of them cannot be measured. Put them back for that.'
      : 'What this run forgets is measured on the others.';
  return [{ where, what, fix }];
}
