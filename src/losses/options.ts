// The options of the noise that is added and of the loss.
import { forImages, number } from '../util/options.ts';

export const lossOptions = {
  noise_offset: number(0, 1)
    .default(0)
    .describe('Shifts the noise of each channel by this times a normal number: lets the whole picture grow darker or brighter.')
    .meta(forImages),
};
