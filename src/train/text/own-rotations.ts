// Cosines and sines by each sequence's own length: what "dynamic" and LongRoPE scaling make of a
// text follows from its tokens, not from the padding of its row or from its neighbours.

import type { LanguageModelConfig } from '../../models/language-config.ts';
import { changesWithLength, rotaryRows, type Rope } from '../../nn/rotary.ts';
import type { TextTensors } from '../../dataset/text/batches.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';

/** The ropes that turn otherwise in some sequences of at most `length` tokens than in others. */
export function ropesByLength({ layers }: LanguageModelConfig, length: number): Rope[] {
  return [...new Set(layers.map(({ rope }) => rope))].filter((rope) =>
    changesWithLength(rope, length),
  );
}

/** Names of the inputs [rows, length, dims / 2] of a rope of `ropesByLength`. */
export const rotationNames = (index: number) => ({
  cos: `rotary_cos.${index}`,
  sin: `rotary_sin.${index}`,
});

type Filled = Pick<TextTensors, 'rows' | 'length' | 'segments'>;

/** Those inputs: each segment's tokens as in a text of their own; padding does not turn. */
export function ownRotations(
  config: LanguageModelConfig,
  filled: Filled,
): Readonly<Record<string, Tensor>> {
  const entries = ropesByLength(config, filled.length).flatMap((rope, i) => {
    const { cos, sin } = tables(rope, filled);
    const shape = [filled.rows, filled.length, rope.dims / 2];
    const names = rotationNames(i);
    return [
      [names.cos, float32(shape, cos)],
      [names.sin, float32(shape, sin)],
    ] as const;
  });
  return Object.fromEntries(entries);
}

function tables(rope: Rope, { rows, length, segments }: Filled) {
  const half = rope.dims / 2;
  const cos = new Float32Array(rows * length * half).fill(1);
  const sin = new Float32Array(rows * length * half);
  for (const { start, count } of runsOf(segments, length)) {
    const own = rotaryRows(rope, count, 0, count);
    cos.set(own.cos, start * half);
    sin.set(own.sin, start * half);
  }
  return { cos, sin };
}

/** Tokens start … start + count − 1, counted through all rows, that are one sequence. */
function runsOf(segments: Int32Array, length: number): { start: number; count: number }[] {
  const runs: { start: number; count: number }[] = [];
  segments.forEach((segment, at) => {
    if (segment === 0) return;
    if (at % length > 0 && segments[at - 1] === segment) runs[runs.length - 1].count++;
    else runs.push({ start: at, count: 1 });
  });
  return runs;
}
