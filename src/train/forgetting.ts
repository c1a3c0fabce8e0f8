// What a run that goes on from an adapter does to what that had learned: the loss on old and on new
// samples before the first step and after the last, and what that says.

import { z } from 'zod';
import { between, stopwatch } from '../account/duration.ts';
import type { ForgettingEvent, LossBeforeAndAfter, PhaseEvent } from '../events.ts';
import type { Holder } from '../runs/holder.ts';
import { continuedData } from '../util/continued-data.ts';
import { plural } from '../util/plural.ts';
import type { BothSets, MeasuredSet } from './both-sets.ts';
import { riseOf, LEAST_RISE } from './rise.ts';

/** The loss of one sample: the mean over its timesteps or tokens. */
const loss = z.strictObject({ number: z.int().nonnegative(), loss: z.number() });
const losses = z.strictObject({ old: z.array(loss).optional(), new: z.array(loss).optional() });
const saved = z.strictObject({ before: losses.optional() });

export type SampleLosses = readonly z.output<typeof loss>[];
export type BothLosses = { readonly old?: SampleLosses; readonly new?: SampleLosses };

type MeasuringEvent = PhaseEvent | ForgettingEvent;
export type Measuring = AsyncGenerator<PhaseEvent, BothLosses | undefined>;

/** What is said of the samples. */
export interface ForgettingOptions {
  readonly sets: BothSets<unknown>;
  readonly sampleName: string;
  readonly continueData: string;
  /** What the adapter was trained on before is not known. */
  readonly isUnknown: boolean;
}

type Kind = 'old' | 'new';
const kinds = ['old', 'new'] as const;

/** Keeps what was measured before the first step, with the state of the run. */
export class Forgetting implements Holder<z.output<typeof saved>> {
  #before: z.output<typeof losses> | undefined;

  constructor(readonly options: ForgettingOptions) {}

  /**
   * What `measure` finds of the weights that the run begins with (step 0), or ends with: then what
   * has become of the losses, unless an earlier start of the run took none. It gives undefined
   * where it was aborted.
   */
  async *measured(step: number, measure: () => Measuring): AsyncGenerator<MeasuringEvent, void> {
    if (step > 0 && this.#before === undefined) return;
    const began = stopwatch();
    const found = yield* measure();
    if (found === undefined) return;
    if (step === 0) this.#before = losses.parse(found);
    yield { ...this.#compared(step, found), took: between(began, stopwatch()) };
  }

  save(): z.output<typeof saved> {
    return this.#before === undefined ? {} : { before: this.#before };
  }

  /** Throws where an entry is missing, unknown or of another kind; nothing is changed then. */
  restore(state: unknown): void {
    ({ before: this.#before } = saved.parse(state));
  }

  #compared(step: number, found: BothLosses): Omit<ForgettingEvent, 'took'> {
    const { options } = this;
    const measured = Object.fromEntries(
      kinds.flatMap((kind) => {
        const one = lossOf(options.sets[kind], this.#before?.[kind], step, found[kind]);
        return one === undefined ? [] : [[kind, one]];
      }),
    ) as Partial<Record<Kind, LossBeforeAndAfter>>; // made of these keys
    return {
      ...{ type: 'forgetting', step, sampleName: options.sampleName, ...measured },
      headline: step === 0 ? 'Measured before the first step' : headlineOf(measured),
      reasons: reasonsOf(measured, step, options),
    };
  }
}

/** Of the samples that were measured both times. */
function lossOf(
  set: MeasuredSet<unknown> | undefined,
  before: SampleLosses = [],
  step: number,
  now: SampleLosses = [],
): LossBeforeAndAfter | undefined {
  const then = new Map(before.map((one) => [one.number, one.loss]));
  const pairs = now.flatMap(({ number, loss: after }) => {
    const one = then.get(number);
    return one === undefined ? [] : [{ before: one, after }];
  });
  if (set === undefined || pairs.length === 0) return undefined;
  const { of, trained } = set;
  const [first, last] = [pairs.map((pair) => pair.before), pairs.map(({ after }) => after)];
  const about = { samples: pairs.length, of, trained, before: mean(first) };
  return step === 0 ? about : { ...about, after: mean(last), change: changeOf(first, last) };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function changeOf(
  before: readonly number[],
  after: readonly number[],
): LossBeforeAndAfter['change'] {
  const { rise, chance } = riseOf(after, before);
  if (Math.abs(rise) <= Math.max(LEAST_RISE, chance)) return 'none';
  return rise > 0 ? 'higher' : 'lower';
}

// ---- in words

type Measured = Partial<Record<Kind, LossBeforeAndAfter>>;

function headlineOf({ old, new: fresh }: Measured): string {
  const learned = fresh?.change === undefined ? '' : `; ${learnedText[fresh.change]}`;
  if (old?.after === undefined || old.change === undefined)
    return `What was forgotten is not known${learned}`;
  return `${forgottenText(old)}${learned}`;
}

const learnedText = {
  lower: 'the new was learned',
  none: 'nothing of the new was learned',
  higher: 'the new is done worse than before',
} as const;

function forgottenText({ before, after = before, change }: LossBeforeAndAfter): string {
  const by = percent(Math.abs(after / before - 1));
  if (change === 'higher') return `Some of the old was forgotten: the loss on it rose by ${by}`;
  return change === 'lower'
    ? `Nothing of the old was forgotten: the loss on it even fell by ${by}`
    : 'Nothing of the old was forgotten: the loss on it is about what it was';
}

function reasonsOf(measured: Measured, step: number, options: ForgettingOptions): string[] {
  const { isUnknown, continueData } = options;
  const { old } = measured;
  return [
    ...(old === undefined ? [isUnknown ? UNKNOWN : NOTHING_OLD] : []),
    ...kinds.flatMap((kind) => {
      const one = measured[kind];
      return one === undefined ? [] : [reasonOf(kind, one, options)];
    }),
    ...(step > 0 && old?.change === 'higher' ? [remedy(continueData)] : []),
  ];
}

const UNKNOWN =
  'Old: not measured: nothing says what the adapter was trained on, as it is of no run of lora-scripts with its data.json.';
const NOTHING_OLD =
  'Old: not measured: nothing that the earlier run was trained on is in the data of this one, or where that run had it.';

function reasonOf(
  kind: Kind,
  { samples, of, trained, before, after, change }: LossBeforeAndAfter,
  { sampleName, isUnknown }: ForgettingOptions,
): string {
  const count = samples === of ? plural(of, sampleName) : `${samples} of ${of} ${sampleName}s`;
  const which =
    kind === 'old'
      ? 'that an earlier run was trained on'
      : isUnknown
        ? 'of this run'
        : 'that no earlier run was trained on';
  const seen = seenText(trained, samples);
  const figures =
    after === undefined || change === undefined
      ? `loss ${figure(before)}`
      : `loss ${figure(before)} before, ${figure(after)} after: ${changeText(before, after, change)}`;
  return `${kind === 'old' ? 'Old' : 'New'}: ${count} ${which}, ${seen}: ${figures}.`;
}

/** What is trained shows less. */
const seenText = (trained: boolean, samples: number): string =>
  trained
    ? `trained in this run, as none ${samples === 1 ? 'was' : 'were'} held back`
    : 'not trained in this run';

function changeText(before: number, after: number, change: LossBeforeAndAfter['change']): string {
  if (after === before) return 'the same';
  const by = `${percent(Math.abs(after / before - 1))} ${after > before ? 'higher' : 'lower'}`;
  return change === 'none' ? `${by}, which may be chance` : by;
}

function remedy(written: string): string {
  const data = continuedData(written);
  const more =
    data === 'new'
      ? 'continue_data: rehearse 20 %, '
      : data === 'mixed'
        ? ''
        : 'a larger share to rehearse, ';
  return `To forget less: ${more}fewer steps, or a lower learning_rate.`;
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const figure = (value: number): string => value.toPrecision(4);
