// Samples of the convolutions: kernels 1×1 to 3×2, strides 1 and 2, even and uneven padding.

import type { Shape } from '../../tensor/tensor.ts';
import type { ConvAttributes, OpName } from '../ops.ts';
import { inferTypes } from '../shapes.ts';
import type { Sample, SampleInput, Samples } from './samples.ts';

const x = (shape: Shape): SampleInput => ({ shape, kind: 'smooth', dtype: 'float32' });

interface ConvSample extends ConvAttributes {
  readonly image: Shape;
  readonly weight: Shape;
}

const convolutions: readonly ConvSample[] = [
  { image: [2, 3, 4, 5], weight: [2, 3, 3, 3], strides: [1, 1], pads: [1, 1, 1, 1] },
  { image: [2, 3, 3, 2], weight: [4, 3, 1, 1], strides: [1, 1], pads: [0, 0, 0, 0] },
  { image: [1, 2, 6, 6], weight: [2, 2, 3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  // the autoencoder's
  { image: [1, 2, 6, 6], weight: [2, 2, 3, 3], strides: [2, 2], pads: [0, 0, 1, 1] },
  { image: [1, 1, 5, 6], weight: [2, 1, 3, 2], strides: [2, 1], pads: [0, 1, 2, 0] },
  // a row is left over
  { image: [1, 2, 5, 4], weight: [1, 2, 2, 2], strides: [2, 2], pads: [0, 0, 0, 0] },
  { image: [1, 2, 4, 4], weight: [3, 2, 1, 1], strides: [2, 2], pads: [0, 0, 0, 0] },
  // more padding than kernel
  { image: [1, 1, 3, 3], weight: [1, 1, 2, 2], strides: [1, 1], pads: [2, 2, 2, 2] },
];

const attributesOf = ({ strides, pads }: ConvSample): ConvAttributes => ({ strides, pads });
const resultOf = (sample: ConvSample): Shape =>
  inferTypes('Conv', [x(sample.image), x(sample.weight), undefined], attributesOf(sample))[0].shape;
const each = <K extends OpName>(make: (sample: ConvSample, i: number) => Sample<K>): Sample<K>[] =>
  convolutions.map(make);

/** Rows and columns of the image that no tap reaches. */
function leftOver(sample: ConvSample): readonly [number, number] {
  const y = resultOf(sample);
  const reach = (i: number) =>
    (y[2 + i] - 1) * sample.strides[i] + sample.weight[2 + i] - sample.pads[i] - sample.pads[2 + i];
  return [sample.image[2] - reach(0), sample.image[3] - reach(1)];
}

export const convSamples: Pick<
  Samples,
  'Conv' | 'ConvTranspose' | 'ConvGradInput' | 'ConvGradWeight'
> = {
  Conv: each((s, i) => ({
    inputs: [x(s.image), x(s.weight), i % 2 === 0 ? x(s.weight.slice(0, 1)) : undefined],
    attributes: attributesOf(s),
  })),
  ConvTranspose: each((s) => ({
    inputs: [x(resultOf(s)), x(s.weight)],
    attributes: { ...attributesOf(s), output_padding: leftOver(s) },
  })),
  ConvGradInput: each((s) => ({
    inputs: [x(resultOf(s)), x(s.weight)],
    attributes: { ...attributesOf(s), shape: s.image },
  })),
  ConvGradWeight: each((s) => ({
    inputs: [x(resultOf(s)), x(s.image)],
    attributes: { ...attributesOf(s), shape: s.weight },
  })),
};
