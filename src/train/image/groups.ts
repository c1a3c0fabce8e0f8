// The weights of the adapters by the learning rate they are trained at.

import type { TrainConfig } from '../../config/schema.ts';
import { InternalError } from '../../errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../optimiser.ts';

/**
 * `unet` and `text_encoder`, those of them that have adapters. Throws InternalError for a weight
 * that neither has: it would not be trained.
 */
export function groupsOf(
  weights: ReadonlyMap<string, Tensor<'float32'>>,
  config: Pick<TrainConfig, 'unet_lr' | 'text_encoder_lr'>,
): ParameterGroup[] {
  const of = (component: string, learningRate: number): ParameterGroup => ({
    name: component,
    learningRate,
    parameters: new Map([...weights].filter(([name]) => name.startsWith(`${component}.`))),
  });
  const groups = [of('unet', config.unet_lr), of('text_encoder', config.text_encoder_lr)];
  const strays = [...weights.keys()].filter(
    (name) => !groups.some((one) => one.parameters.has(name)),
  );
  if (strays.length > 0)
    throw new InternalError(`${strays[0]} is in no group of weights, so it would not be trained`);
  return groups.filter(({ parameters }) => parameters.size > 0);
}
