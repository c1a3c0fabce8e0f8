// The options of what is held back from training: to see which checkpoint is the best, and from
// when on more training does harm.
import { z } from 'zod';
import { integer, number, text } from '../util/options.ts';

export const validationOptions = {
  validation_data: z
    .array(text())
    .default([])
    .describe(
      'What is not trained, only validated on. image: folders of pictures with captions; text-generation: files of samples.',
    )
    .meta({ expected: 'a list of paths' }),
  validation_split: number(0, 0.9)
    .default(0)
    .describe(
      'Without validation_data: this share of the samples is held back to validate on. Two pictures that are one (scaled, cut, mirrored) stay together. With continue_from, so much of the old and of the new samples; where it is not given, a tenth of each is held back if there are 20 of it, to measure what is learned and forgotten.',
    ),
  validation_steps: integer(0)
    .default(0)
    .describe(
      'The validation loss is computed before the first step, at the end, with each saved adapter, and after every so many steps. 0: text-generation after each epoch; image about twenty times, less often where that would take more than a tenth of the time.',
    ),
  stop_when_overfit: z
    .boolean()
    .default(false)
    .describe(
      'Ends the run when more training does harm: the validation loss stayed above its lowest value at three looks in a row, by more than chance explains, or the previews copied the training pictures at two.',
    ),
};
