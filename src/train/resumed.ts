// What is told of a run that goes on: what is different from here on.

import type { ConfigKey } from '../config/schema.ts';
import type { PlanEvent } from '../events.ts';
import type { Optimiser } from './optimiser.ts';
import { shownValue } from './resume-rules.ts';
import type { TakenUp } from './take-up.ts';

const rateKeys: readonly ConfigKey[] = ['learning_rate', 'unet_lr', 'text_encoder_lr'];
/** What the course of the learning rate depends on. */
const courseKeys: readonly ConfigKey[] = [
  ...rateKeys,
  ...(['epochs', 'max_train_steps'] as const),
  ...(['lr_scheduler', 'lr_warmup_steps', 'lr_num_cycles', 'lr_power'] as const),
];

interface Place {
  readonly takenUp: TakenUp | undefined;
}

const isChanged = ({ takenUp }: Place, keys: readonly ConfigKey[]): boolean =>
  takenUp?.changed.some(({ key }) => keys.includes(key)) ?? false;

/** Whether a run goes on with other learning rates than before. */
export const hasNewRate = (place: Place): boolean => isChanged(place, rateKeys);

export const resumedOf = (
  takenUp: TakenUp,
  { learningRates }: Pick<Optimiser, 'learningRates'>,
): NonNullable<PlanEvent['resumed']> => ({
  start: takenUp.facts.starts.length + 1,
  changes: takenUp.changed.map(
    ({ key, from, to }) => `${key}: ${shownValue(to)}, before ${shownValue(from)}`,
  ),
  ...(isChanged({ takenUp }, courseKeys) && { learningRates }),
});
