// A step whose loss or gradients are not finite: what is at fault, and what is left of the run.

import type { TrainConfig } from '../config/schema.ts';
import { unsoundError } from '../checkpoints/unsound.ts';
import { UserError, type Problem } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../tensor/weights.ts';
import { countUnsound } from '../tensor/finite.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { UnsoundStep } from './loop.ts';
import type { MicroBatch } from './programs.ts';

export interface UnsoundSource {
  readonly lossGraph: (shapeKey: string) => Graph;
  /** Frozen weights by name; those that the loss does not depend on are left alone. */
  readonly weights: Weights;
  /** Default: `loss`. */
  readonly lossName?: string;
  readonly learningRate: number;
  /** Where the configuration has it; by default its name. */
  readonly place?: string;
  /** What of the run is kept, as a sentence. */
  readonly kept?: string;
}

/** The error that ends a run at such a step. */
export function unsoundStepError(found: UnsoundStep<MicroBatch>, source: UnsoundSource): UserError {
  const { step, batches, parameters } = found;
  const { kept, lossName = 'loss' } = source;
  const given = batches.flatMap(unsoundInputs);
  const what = [whatOf(found, lossName), ...given].join('; ');
  const weights = usedWeights(batches, source);
  const adapter = step <= 1 ? parameters : undefined;
  const stage = { name: 'model', weights, adapter };
  const error = unsoundError(what, stage, remedyOf(step, given.length > 0, source));
  return kept === undefined ? error : error.with(kept);
}

const MOST_NAMED = 3;

function whatOf(
  { step, loss, gradNorm, batches }: UnsoundStep<MicroBatch>,
  lossName: string,
): string {
  const names = [...new Set(batches.flatMap(({ samples = [] }) => samples))];
  const more = names.length - MOST_NAMED;
  const listed = [...names.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])].join(', ');
  const of = names.length === 0 ? '' : ` for ${listed}`;
  const gradient = gradNorm === undefined ? '' : ` and the gradient ${gradNorm}`;
  const before = step <= 1 ? '' : `; up to step ${step - 1} it was finite`;
  return `training stopped at step ${step}: the ${lossName} became ${loss}${gradient}${of}${before}`;
}

/** Inputs that are not finite themselves. */
const unsoundInputs = ({ inputs }: MicroBatch): string[] =>
  Object.entries(inputs).flatMap(([name, tensor]) => {
    const count = countUnsound(tensor);
    return count === 0 ? [] : [`its input ${name} has ${count} numbers that are NaN or infinite`];
  });

/** The frozen weights that the loss is computed from. */
function usedWeights(
  batches: readonly MicroBatch[],
  { lossGraph, weights }: UnsoundSource,
): Weights {
  const used = new Set(
    batches.slice(0, 1).flatMap(({ shapeKey }) => lossGraph(shapeKey).parameters),
  );
  const names = new Set(Array.from(used, ({ name }) => name));
  return new Map([...weights].filter(([name]) => names.has(name)));
}

function remedyOf(step: number, isGiven: boolean, source: UnsoundSource): Partial<Problem> {
  if (isGiven) return { fix: 'Give batches of finite numbers.' };
  const { learningRate, place = 'learning_rate' } = source;
  return step <= 1
    ? {
        fix: 'All weights are finite, and nothing was learnt yet: the numbers grow beyond float32 while they are computed. Lower lora_alpha, or use another base model.',
      }
    : {
        where: place,
        fix: `All weights of the base model are finite. Lower learning_rate (it is ${learningRate}), or raise it gradually with lr_warmup_steps.`,
      };
}

/** The adapter's weights, which no file may have when they are not finite. */
export function requireSoundParameters(
  parameters: ReadonlyMap<string, Tensor>,
  {
    step,
    learningRate,
    place = 'learning_rate',
    kept,
  }: { readonly step: number } & Omit<UnsoundSource, 'lossGraph' | 'weights'>,
): void {
  const broken = [...parameters].filter(([, tensor]) => countUnsound(tensor) > 0);
  if (broken.length === 0) return;
  const named = broken.slice(0, MOST_NAMED).map(([name]) => name);
  const what = `after step ${step}, ${broken.length} of the adapter's ${parameters.size} tensors have numbers that are NaN or infinite: ${named.join(', ')}`;
  const fix = `It is not saved. Lower learning_rate (it is ${learningRate}), or raise it gradually with lr_warmup_steps.`;
  throw new UserError([{ where: place, what, fix: kept === undefined ? fix : `${fix} ${kept}` }]);
}

/** What numbers of an adapter mean that its number format cannot hold. */
export const tooSmall = ({
  save_precision,
  learning_rate,
}: Pick<TrainConfig, 'save_precision' | 'learning_rate'>): string =>
  `Nothing is lost in float32, but numbers that ${save_precision} cannot hold hardly change a model, or ruin it. Check learning_rate (${learning_rate}) and lora_alpha.`;
