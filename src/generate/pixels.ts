// From what the decoder gives to the bytes of a picture.

import type { Picture } from '../dataset/image.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** pixels [1, 3, h, w], -1 black and 1 white -> bytes; what lies outside is cut off. */
export function rgbOf({ shape: [, channels, height, width], data }: Tensor): Picture {
  const plane = height * width;
  const rgb = new Uint8Array(plane * channels);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane; i++)
      rgb[i * channels + c] = Math.round(
        Math.min(Math.max(Number(data[c * plane + i]) / 2 + 0.5, 0), 1) * 255,
      );
  }
  return { rgb, width, height };
}
