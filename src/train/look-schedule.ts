// After which steps a run is looked at.

import type { TrainConfig } from '../config/schema.ts';

export interface LookSchedule {
  /** Steps between two looks at the loss on what is held back. */
  readonly every: number;
  validates(step: number, final: boolean): boolean;
  /** Before the first step, too, and after the last, where `ends` says so. */
  previews(step: number, final: boolean): boolean;
}

export interface ScheduleOptions {
  readonly config: Pick<
    TrainConfig,
    'validation_steps' | 'save_steps' | 'sample_every' | 'sample_prompts'
  >;
  /** Whether anything is held back. */
  readonly holdsBack: boolean;
  /** Steps between two looks where `validation_steps` does not say. */
  readonly usual: number;
  /** Whether previews are made before the first step and after the last, too. */
  readonly ends: boolean;
}

/** A checkpoint is always looked at: it may be the best. */
export function lookSchedule({ config, holdsBack, usual, ends }: ScheduleOptions): LookSchedule {
  const { validation_steps, save_steps, sample_every, sample_prompts } = config;
  const every = validation_steps || usual;
  const isDue = (step: number, interval: number) =>
    interval > 0 && step > 0 && step % interval === 0;
  return {
    every,
    validates: (step, final) =>
      holdsBack && (step === 0 || final || isDue(step, every) || isDue(step, save_steps)),
    previews: (step, final) =>
      sample_every > 0 &&
      sample_prompts.length > 0 &&
      (step === 0 || final ? ends : isDue(step, sample_every)),
  };
}

export interface LookCost {
  readonly totalSteps: number;
  /** Samples that a step trains on, on average. */
  readonly samplesPerStep: number;
  /** Samples that go through the model at a look, without gradients. */
  readonly samplesPerLook: number;
  readonly saveSteps: number;
}

/** A sample without gradients takes about this share of one with them (docs/experiments.md). */
const FORWARD = 1 / 3;
/** Of the training's time. */
const SHARE = 0.1;
const [FEWEST_LOOKS, MOST_LOOKS] = [4, 20];

/** What the looks take beside the training, as a share of its time. */
export const lookShare = (
  every: number,
  { totalSteps, samplesPerStep, samplesPerLook }: LookCost,
): number => ((1 + totalSteps / every) * samplesPerLook * FORWARD) / (totalSteps * samplesPerStep);

/**
 * Steps between two looks: twenty of them, or as many as take a tenth of the training's time, at
 * least four; whole parts of the steps between two checkpoints.
 */
export function usualInterval(cost: LookCost): number {
  const { totalSteps, samplesPerStep, samplesPerLook, saveSteps } = cost;
  const affordable = (SHARE * totalSteps * samplesPerStep) / (samplesPerLook * FORWARD);
  const looks = Math.max(FEWEST_LOOKS, Math.min(MOST_LOOKS, Math.floor(affordable)));
  const every = Math.max(1, Math.ceil(totalSteps / looks));
  if (saveSteps === 0) return every;
  return Math.max(1, Math.ceil(saveSteps / Math.max(1, Math.round(saveSteps / every))));
}
