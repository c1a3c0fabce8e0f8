// Which samples a run that goes on from another one's adapter is trained on, and which of them that
// one was trained on.

import type { TrainConfig } from '../config/schema.ts';
import { ConfigError, InternalError, type Problem } from '../errors.ts';
import type { RecordedData, RecordedSample } from '../runs/samples.ts';
import { continuedData } from '../util/continued-data.ts';
import { permutation } from '../util/philox.ts';
import { plural } from '../util/plural.ts';
import { streamOf } from '../util/streams.ts';

export interface ContinuedOptions {
  /** What the earlier run had, and those that it came from; undefined where nothing says so. */
  readonly before: RecordedData | undefined;
  /** What a sample is called: `picture`. */
  readonly sampleName: string;
  /** The place of `continue_data`, for messages. */
  readonly where: string;
}

/** Samples are the same by what is in them, wherever they lie. */
export interface Continued<T> {
  readonly kept: readonly T[];
  /** Those that an earlier run was trained on, whether this one is or not. */
  readonly old: ReadonlySet<T>;
  /** Old ones that this run is not trained on. */
  readonly leftOut: readonly T[];
  /** What the earlier run was trained on, and is not here. */
  readonly missing: readonly RecordedSample[];
  /** What else the earlier runs had, and this one is not trained on. */
  readonly earlier: readonly RecordedSample[];
  readonly notes: readonly Problem[];
}

/** Throws ConfigError where it is not known which samples are new, or none is. */
export function continuedSamples<T>(
  found: readonly T[],
  recordOf: (one: T) => RecordedSample,
  { continue_data, seed }: Pick<TrainConfig, 'continue_data' | 'seed'>,
  { before, sampleName, where }: ContinuedOptions,
): Continued<T> {
  const data = continuedData(continue_data);
  if (data === undefined) throw new InternalError(`continue_data: ${continue_data}`);
  if (before === undefined) {
    if (data !== 'mixed') throw unknownData(where, sampleName);
    return { kept: found, old: new Set(), leftOut: [], missing: [], earlier: [], notes: [] };
  }
  const { all, known, old, held } = knownBefore(found, recordOf, before);
  const isOld = new Set(old);
  const fresh = found.length - old.length - held.length;
  const about = { found, fresh, old, held, before: known.size, sampleName, where, continue_data };
  if (data !== 'mixed') requireBoth(about, data !== 'new');
  const share = data === 'mixed' ? 1 : data === 'new' ? 0 : data.rehearse / 100;
  const wanted = rehearsedCount(fresh, share);
  const order = [...permutation(seed, streamOf('rehearsed'), old.length)];
  const again = new Set(order.slice(0, wanted).map((i) => old[i]));
  const skipped = new Set(data === 'mixed' ? [] : held);
  const retold = old.filter(
    (one) => recordOf(one).caption !== known.get(recordOf(one).sha256)?.caption,
  );
  return {
    kept: found.filter((one) => (isOld.has(one) ? again.has(one) : !skipped.has(one))),
    old: isOld,
    leftOut: old.filter((one) => !again.has(one)),
    ...besides(all, { found, skipped, recordOf, before }),
    notes: [
      seenNote(about, again.size),
      ...fewerNote(about, share < 1 ? wanted : 0),
      ...retoldNote(about, retold.map(recordOf)),
    ],
  };
}

/** What no earlier run was trained on though one held it back is apart from what is old. */
function knownBefore<T>(
  found: readonly T[],
  recordOf: (one: T) => RecordedSample,
  before: RecordedData,
) {
  const all = [...before.samples, ...before.leftOut];
  const known = byHash(all.filter((one) => one.heldOut !== true));
  const heldBack = byHash(all.filter(({ sha256 }) => !known.has(sha256)));
  const those = (hashes: ReadonlyMap<string, RecordedSample>) =>
    found.filter((one) => hashes.has(recordOf(one).sha256));
  return { all, known, old: those(known), held: those(heldBack) };
}

interface Besides<T> {
  readonly found: readonly T[];
  /** Those that an earlier run held back, where this one is not trained on them. */
  readonly skipped: ReadonlySet<T>;
  readonly recordOf: (one: T) => RecordedSample;
  readonly before: RecordedData;
}

/** What the earlier runs had, and is neither trained nor measured in the data of this one. */
function besides<T>(
  all: readonly RecordedSample[],
  { found, skipped, recordOf, before }: Besides<T>,
): Pick<Continued<T>, 'missing' | 'earlier'> {
  const here = new Set(found.map((one) => recordOf(one).sha256));
  const gone = all.filter(({ sha256 }) => !here.has(sha256));
  const own = new Set(before.samples.filter((one) => one.heldOut !== true));
  const left = [...skipped].map((one) => ({ ...recordOf(one), heldOut: true }));
  return {
    missing: gone.filter((one) => own.has(one)),
    earlier: [...left, ...gone.filter((one) => !own.has(one))],
  };
}

const byHash = (samples: readonly RecordedSample[]): ReadonlyMap<string, RecordedSample> =>
  new Map(samples.map((one) => [one.sha256, one]));

/** So many old samples are the share of all; all of them for 1. */
const rehearsedCount = (fresh: number, share: number): number =>
  share === 1 ? Infinity : Math.round((fresh * share) / (1 - share));

interface About {
  readonly found: readonly unknown[];
  /** How many no earlier run had. */
  readonly fresh: number;
  readonly old: readonly unknown[];
  /** Those that the earlier run held back. */
  readonly held: readonly unknown[];
  /** How many the earlier runs were trained on. */
  readonly before: number;
  readonly sampleName: string;
  readonly where: string;
  readonly continue_data: string;
}

function unknownData(where: string, sampleName: string): ConfigError {
  const what = `which ${sampleName}s are new is not known: continue_from names an adapter, not a run of lora-scripts with its data.json`;
  const fix = 'Write continue_data: mixed, with the data that the adapter is to learn now.';
  return new ConfigError([{ where, what, fix }]);
}

/** Throws ConfigError where nothing is new, or nothing old to be rehearsed. */
function requireBoth(
  { found, fresh, old, before, sampleName, where, continue_data }: About,
  rehearses: boolean,
): void {
  if (fresh === 0) {
    const what = `there is nothing new: all ${plural(found.length, sampleName)} were in the data of the run that continue_from names`;
    const fix = `Add ${sampleName}s, or write continue_data: mixed.`;
    throw new ConfigError([{ where, what, fix }]);
  }
  if (!rehearses || old.length > 0) return;
  const what = `${continue_data} has nothing to rehearse: none of the ${plural(before, sampleName)} that the earlier run was trained on is in the data of this one`;
  const fix = `Put them back beside the new ones, or write continue_data: new.`;
  throw new ConfigError([{ where, what, fix }]);
}

function seenNote(about: About, again: number): Problem {
  const { found, fresh, old, held, before, sampleName, where } = about;
  if (old.length + held.length === 0) {
    const none = `${fresh === 1 ? `the ${sampleName} is` : `all ${plural(fresh, sampleName)} are`} new: none of the ${before} that the earlier run was trained on is in the data`;
    return { where, what: none };
  }
  const what = `${plural(fresh, sampleName)} of ${found.length} ${fresh === 1 ? 'is' : 'are'} new; ${again} of the ${old.length} that were trained before ${again === 1 ? 'is' : 'are'} trained again${heldText(about)}`;
  return { where, what };
}

/** What becomes of those that the earlier run held back. */
function heldText({ held, continue_data }: About): string {
  if (held.length === 0) return '';
  const [was, isNot, count] =
    held.length === 1 ? ['was', 'is not', 'counts'] : ['were', 'are not', 'count'];
  const now = continue_data === 'mixed' ? `${count} as not trained before` : `${isNot} trained`;
  return `; ${held.length} that ${was} held back then ${now}`;
}

/** Fewer than were asked for. */
function fewerNote({ old, where, continue_data }: About, wanted: number): Problem[] {
  if (wanted <= old.length) return [];
  const what = `${continue_data} would take ${wanted} of the earlier data, and there are only ${old.length} here: all of them are trained`;
  return [{ where, what }];
}

const MOST_NAMED = 3;

/** The same pictures, described otherwise. */
function retoldNote(
  { sampleName, where, continue_data }: About,
  retold: readonly RecordedSample[],
): Problem[] {
  if (retold.length === 0) return [];
  const [one, have] = retold.length === 1 ? ['It counts', 'has'] : ['They count', 'have'];
  const named = retold.slice(0, MOST_NAMED).map(({ name }) => name);
  const more = retold.length > MOST_NAMED ? [`${retold.length - MOST_NAMED} more`] : [];
  const what = `${plural(retold.length, sampleName)} of the earlier run ${have} another caption now: ${[...named, ...more].join(', ')}. ${one} as trained before`;
  const fix =
    continue_data === 'mixed'
      ? undefined
      : 'To train all of them with their new captions, write continue_data: mixed.';
  return [{ where, what, ...(fix !== undefined && { fix }) }];
}
