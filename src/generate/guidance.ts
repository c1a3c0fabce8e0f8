// Classifier-free guidance (Ho & Salimans, arXiv 2207.12598), towards several prompts at once
// (Liu et al., arXiv 2206.01714).

import { joined } from '../util/joined.ts';
import { negativePromptName, promptName, type PicturePrompts } from './prompt/picture-prompts.ts';

/** Latents of pictures behind one another -> those of the rows: negatives, then all parts. */
export function guidanceRows(x: Float32Array, pictures: readonly PicturePrompts[]): Float32Array {
  const each = x.length / pictures.length;
  const own = (i: number) => x.subarray(i * each, (i + 1) * each);
  return joined([
    ...pictures.flatMap(({ negative }, i) => (negative === undefined ? [] : [own(i)])),
    ...pictures.flatMap(({ parts }, i) => parts.map(() => own(i))),
  ]);
}

/** ε = ε_negative + Σ weight · guidance · (ε_part - ε_negative); x.length numbers. */
export function guided(
  prediction: Float32Array,
  pictures: readonly PicturePrompts[],
  length: number,
): Float32Array {
  const each = length / pictures.length;
  const row = (i: number) => prediction.subarray(i * each, (i + 1) * each);
  const negatives = pictures.filter(({ negative }) => negative !== undefined).length;
  if (negatives === 0) return prediction;
  let next = negatives;
  return joined(
    pictures.map(({ scales }, picture) => {
      const parts = scales.map((scale) => ({ scale, e: row(next++) }));
      return row(picture).map((u, i) =>
        parts.reduce((sum, { scale, e }) => sum + scale * (e[i] - u), u),
      );
    }),
  );
}

export interface NamedPrompts {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly prompts: PicturePrompts;
}

/** As messages call the rows. */
export const rowNames = (pictures: readonly NamedPrompts[]): string[] => [
  ...pictures.flatMap(({ prompt, negativePrompt, prompts: { negative } }) =>
    negative === undefined
      ? []
      : [`${negativePromptName(negativePrompt)} beside ${promptName(prompt)}`],
  ),
  ...pictures.flatMap(({ prompt, prompts: { parts } }) => parts.map(() => promptName(prompt))),
];
