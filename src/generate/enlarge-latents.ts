// Latents at another size, as WebUI enlarges them between the two passes of a high-resolution
// picture (its "Latent" upscalers, torch.nn.functional.interpolate without align_corners).

import type { LatentShape } from './noise/picture-noise.ts';

/** Places of one direction, each with its weight. */
type Taps = readonly (readonly [from: number, weight: number])[];

interface Upscaler {
  /** WebUI's name. */
  readonly label: string;
  /** What a place is made of, of `from` places that become `to`. */
  readonly taps: (place: number, from: number, to: number) => Taps;
}

const centre = (place: number, from: number, to: number): number =>
  (from / to) * (place + 0.5) - 0.5;

const bilinear = (place: number, from: number, to: number): Taps => {
  const at = Math.max(centre(place, from, to), 0);
  const low = Math.min(Math.floor(at), from - 1);
  return [
    [low, 1 - (at - low)],
    [Math.min(low + 1, from - 1), at - low],
  ];
};

/** Keys' kernel with a = -0.75. */
const cubic = (x: number): number => {
  const a = -0.75;
  const d = Math.abs(x);
  return d <= 1
    ? ((a + 2) * d - (a + 3)) * d * d + 1
    : d < 2
      ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
      : 0;
};

const bicubic = (place: number, from: number, to: number): Taps => {
  const at = centre(place, from, to);
  const low = Math.floor(at);
  return [-1, 0, 1, 2].map((k) => [Math.min(Math.max(low + k, 0), from - 1), cubic(at - low - k)]);
};

const nearest =
  (shift: number) =>
  (place: number, from: number, to: number): Taps => [
    [Math.min(Math.floor((place + shift) * (from / to)), from - 1), 1],
  ];

export const latentUpscalers = {
  latent: { label: 'Latent', taps: bilinear },
  latent_bicubic: { label: 'Latent (bicubic)', taps: bicubic },
  latent_nearest: { label: 'Latent (nearest)', taps: nearest(0) },
  latent_nearest_exact: { label: 'Latent (nearest-exact)', taps: nearest(0.5) },
} as const satisfies Readonly<Record<string, Upscaler>>;

/** Latents of one picture, larger in both directions, none smaller. */
export function enlargeLatents(
  latents: Float32Array,
  [channels, height, width]: LatentShape,
  to: { readonly height: number; readonly width: number },
  upscaler: keyof typeof latentUpscalers = 'latent',
): Float32Array {
  const { taps } = latentUpscalers[upscaler];
  const rows = Array.from({ length: to.height }, (_, y) => taps(y, height, to.height));
  const columns = Array.from({ length: to.width }, (_, x) => taps(x, width, to.width));
  const out = new Float32Array(channels * to.height * to.width);
  let at = 0;
  for (let c = 0; c < channels; c++)
    for (const row of rows)
      for (const column of columns) {
        let sum = 0;
        for (const [y, ofRow] of row)
          for (const [x, ofColumn] of column)
            sum += ofRow * ofColumn * latents[(c * height + y) * width + x];
        out[at++] = sum;
      }
  return out;
}
