// Which old and which new samples a run that goes on from an adapter is measured on, before its
// first step and after its last.

import { z } from 'zod';
import { evenly } from '../util/evenly.ts';

const chosen = z.strictObject({
  /** What they are known by, in the order in which their noise is drawn. */
  keys: z.array(z.string()),
  /** Of so many. */
  of: z.int(),
  trained: z.boolean(),
});

/** Where old samples lie that the data of the run lack; paths as they were written. */
const elsewhere = z.strictObject({
  paths: z.array(z.string()),
  /** A folder: relative paths are looked for in those above it, too. */
  near: z.string(),
  metadata_path: z.string().optional(),
  caption_extension: z.string().optional(),
});

export type Elsewhere = z.output<typeof elsewhere>;

/** What a run records, so that another start of it measures the same samples. */
export const comparedDecision = z
  .strictObject({
    /** Of each kind that is held back, where the configuration does not say. */
    share: z.number(),
    /** What the earlier run was trained on is not known. */
    isUnknown: z.boolean(),
    old: chosen.optional(),
    new: chosen.optional(),
    elsewhere: elsewhere.optional(),
  })
  .optional();

export type ComparedDecision = NonNullable<z.output<typeof comparedDecision>>;

/** Samples of one kind, each with the number of its noise. */
export interface MeasuredSet<T> {
  readonly samples: readonly { readonly key: string; readonly number: number; readonly of: T }[];
  readonly of: number;
  /** Whether this run trains them. */
  readonly trained: boolean;
}

/** Absent where there are none. */
export interface BothSets<T> {
  readonly old?: MeasuredSet<T>;
  readonly new?: MeasuredSet<T>;
}

/** All that could be measured. */
export interface Measurable<T> {
  readonly trained: readonly T[];
  /** Held back from the training. */
  readonly heldOut: readonly T[];
  /** Old ones that the run is not trained on. */
  readonly leftOut: readonly T[];
  readonly isOld: (one: T) => boolean;
  readonly keyOf: (one: T) => string;
}

/** At most so many of a kind: more say little more. */
const MOST = 32;
const FEWEST = 4;
/** Of the training's time, for both kinds, before and after. */
const SHARE = 0.05;
/** A sample without gradients takes about this share of one with them (docs/experiments.md). */
const FORWARD = 1 / 3;

/**
 * How many of a kind are measured in a run that trains so many samples, each of which goes through
 * the model `times` times.
 */
export const measuredCount = (trainedSamples: number, times: number): number =>
  Math.max(FEWEST, Math.min(MOST, Math.floor((SHARE * trainedSamples) / (4 * times * FORWARD))));

/** Those that the run is not trained on, where there are any, else those that it is. */
export function chosenSets<T>(parts: Measurable<T>, most: number): BothSets<T> {
  const { trained, heldOut, leftOut, isOld, keyOf } = parts;
  const isNew = (one: T) => !isOld(one);
  const setOf = (unseen: readonly T[], seen: readonly T[]): MeasuredSet<T> | undefined => {
    const from = unseen.length > 0 ? unseen : seen;
    if (from.length === 0) return undefined;
    const samples = evenly(from.length, most).map((i, number) => ({
      ...{ key: keyOf(from[i]), number, of: from[i] },
    }));
    return { samples, of: from.length, trained: unseen.length === 0 };
  };
  const old = setOf([...leftOut, ...heldOut.filter(isOld)], trained.filter(isOld));
  const fresh = setOf(heldOut.filter(isNew), trained.filter(isNew));
  return { ...(old !== undefined && { old }), ...(fresh !== undefined && { new: fresh }) };
}

/** Those that an earlier start recorded and that are still there. */
export function recordedSets<T>(
  recorded: Pick<ComparedDecision, 'old' | 'new'>,
  { trained, heldOut, leftOut, keyOf }: Measurable<T>,
): BothSets<T> {
  const byKey = new Map([...trained, ...heldOut, ...leftOut].map((one) => [keyOf(one), one]));
  const setOf = ({ keys, ...about }: z.output<typeof chosen>): MeasuredSet<T> => ({
    ...about,
    samples: keys.flatMap((key, number) => {
      const of = byKey.get(key);
      return of === undefined ? [] : [{ key, number, of }];
    }),
  });
  return {
    ...(recorded.old !== undefined && { old: setOf(recorded.old) }),
    ...(recorded.new !== undefined && { new: setOf(recorded.new) }),
  };
}

/** As it is recorded. */
export function decisionOf(
  { old, new: fresh }: BothSets<unknown>,
  rest: Pick<ComparedDecision, 'share' | 'isUnknown' | 'elsewhere'>,
): ComparedDecision {
  const chosenOf = ({ samples, of, trained }: MeasuredSet<unknown>) => ({
    ...{ keys: samples.map(({ key }) => key), of, trained },
  });
  return {
    ...rest,
    ...(old !== undefined && { old: chosenOf(old) }),
    ...(fresh !== undefined && { new: chosenOf(fresh) }),
  };
}
