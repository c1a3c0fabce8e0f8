// The options of the noise that is added and of the loss.
import { forImages, number } from '../util/options.ts';

export const lossOptions = {
  noise_offset: number(0, 1)
    .default(0)
    .describe(
      'Shifts the noise of each channel by this times a random normal number, so that whole pictures can become darker or brighter.',
    )
    .meta(forImages),
  min_snr_gamma: number(0, 100)
    .default(0)
    .describe(
      'Weights the loss by min(SNR, this) / SNR: less for fine detail, more for composition and palette. Usual: 5; 1 for flat, bold styles. 0: all alike.',
    )
    .meta(forImages),
};
