// The options of the optimiser and of the learning rate's course.
import { z } from 'zod';
import { forImages, integer, number } from '../util/options.ts';
import { optimiserNames } from './optimisers.ts';
import { scheduleNames } from './schedule.ts';

/** Largest learning rate taken: more is a slip such as 1e4 for 1e-4. */
const highestRate = 10;

export const optimOptions = {
  learning_rate: number(0, highestRate)
    .default(1e-4)
    .describe(
      'Learning rate of everything trained, unless unet_lr or text_encoder_lr says otherwise.',
    ),
  unet_lr: number(0, highestRate)
    .optional()
    .describe('Learning rate of the UNet. When absent: learning_rate.')
    .meta(forImages),
  text_encoder_lr: number(0, highestRate)
    .optional()
    .describe('Learning rate of the text encoder. When absent: learning_rate.')
    .meta(forImages),
  optimizer: z
    .enum(optimiserNames)
    .default('adamw')
    .describe(
      'Optimiser: AdamW, or stochastic gradient descent with momentum, by Polyak (sgd) or Nesterov. Names of other trainers such as AdamW8bit are understood; the optimiser used instead is reported.',
    ),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe('adamw: decay rates of the two moments.'),
  weight_decay: number(0, 1)
    .optional()
    .describe(
      'adamw: weight decay, times the learning rate, in each step; when absent: 0.01. sgd: this times the weight is added to the gradient; when absent: 0.',
    ),
  momentum: number(0)
    .lt(1)
    .optional()
    .describe(
      'sgd: the share of the last step that is carried over. When absent: 0 for sgd, 0.9 for sgd_nesterov.',
    ),
  eps: z.number().positive().max(1).default(1e-8).describe('adamw: added to the denominator.'),
  max_grad_norm: number(0)
    .default(1)
    .describe(
      'Gradients are scaled down to this norm when theirs is larger. 0 turns clipping off.',
    ),
  lr_scheduler: z
    .enum(scheduleNames)
    .default('constant')
    .describe('Course of the learning rate over the run.'),
  lr_warmup_steps: number(0)
    .refine(
      (steps) => steps < 1 || Number.isInteger(steps),
      'expected a whole number of steps, or a share of the run below 1',
    )
    .default(0)
    .describe(
      'Steps over which the learning rate rises from 0; below 1: a share of all steps. Not used by constant.',
    ),
  lr_num_cycles: integer(1).default(1).describe('cosine_with_restarts: number of cosines.'),
  lr_power: number(0, 100)
    .default(1)
    .describe('polynomial: the exponent. The rate falls to 0; in diffusers to 1e-7.'),
};
