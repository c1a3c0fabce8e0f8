// Which samples a run that goes on from another one's adapter is trained on.

import type { TrainConfig } from '../config/schema.ts';
import { ConfigError, InternalError, type Problem } from '../errors.ts';
import type { RecordedSample } from '../runs/samples.ts';
import { continuedData } from '../util/continued-data.ts';
import { permutation } from '../util/philox.ts';
import { plural } from '../util/plural.ts';
import { streamOf } from '../util/streams.ts';

export interface ContinuedOptions {
  /** What the earlier run was trained on; undefined where nothing says so. */
  readonly before: readonly RecordedSample[] | undefined;
  /** What a sample is called: `picture`. */
  readonly sampleName: string;
  /** Whether a sample is known by its name, too, or only by what is in it. */
  readonly byName: boolean;
  /** The place of `continue_data`, for messages. */
  readonly where: string;
}

export interface Continued<T> {
  readonly kept: readonly T[];
  /** How many of them are new. */
  readonly notes: readonly Problem[];
}

/**
 * Throws ConfigError where it is not known which samples are new, or none is.
 */
export function continuedSamples<T>(
  found: readonly T[],
  recordOf: (one: T) => RecordedSample,
  { continue_data, seed }: Pick<TrainConfig, 'continue_data' | 'seed'>,
  { before, sampleName, byName, where }: ContinuedOptions,
): Continued<T> {
  const data = continuedData(continue_data);
  if (data === undefined) throw new InternalError(`continue_data: ${continue_data}`);
  if (before === undefined) {
    if (data === 'mixed') return { kept: found, notes: [] };
    const what = `which ${sampleName}s are new is not known: continue_from names an adapter, not a run of lora-scripts with its data.json`;
    const fix = 'Write continue_data: mixed, with the data that the adapter is to learn now.';
    throw new ConfigError([{ where, what, fix }]);
  }
  const keyOf = ({ name, sha256 }: RecordedSample) => (byName ? `${name} ${sha256}` : sha256);
  const known = new Set(before.map(keyOf));
  const isOld = found.map((one) => known.has(keyOf(recordOf(one))));
  const old = [...found.keys()].filter((i) => isOld[i]);
  const fresh = found.length - old.length;
  const noted = (again: number): Problem => ({
    where,
    what: `${plural(fresh, sampleName)} of ${found.length} ${fresh === 1 ? 'is' : 'are'} new; ${again} of the ${old.length} that were trained before ${again === 1 ? 'is' : 'are'} trained again`,
  });
  if (data === 'mixed') return { kept: found, notes: [noted(old.length)] };
  if (fresh === 0) {
    const what = `there is nothing new: all ${plural(found.length, sampleName)} were trained by the run that continue_from names`;
    const fix = `Add ${sampleName}s, or write continue_data: mixed.`;
    throw new ConfigError([{ where, what, fix }]);
  }
  const share = data === 'new' ? 0 : data.rehearse / 100;
  const wanted = Math.min(old.length, Math.round((fresh * share) / (1 - share)));
  const order = [...permutation(seed, streamOf('rehearsed'), old.length)];
  const again = new Set(order.slice(0, wanted).map((i) => old[i]));
  const kept = found.filter((_, i) => !isOld[i] || again.has(i));
  return { kept, notes: [noted(wanted)] };
}
