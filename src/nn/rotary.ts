// Rotary position embedding (RoFormer, arXiv 2104.09864) and the ways to stretch it to longer
// texts: the tables of cosines and sines.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { float32 } from '../tensor/tensor.ts';

/** How a model was stretched, in the words of its config.json. */
export type RopeScaling =
  | { readonly rope_type: 'default' }
  | { readonly rope_type: 'linear'; readonly factor: number }
  | {
      readonly rope_type: 'dynamic';
      readonly factor: number;
      readonly max_position_embeddings: number;
    }
  | Llama3Scaling
  | YarnScaling
  | LongRopeScaling;

export interface Llama3Scaling {
  readonly rope_type: 'llama3';
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** arXiv 2309.00071. */
export interface YarnScaling {
  readonly rope_type: 'yarn';
  readonly factor: number;
  readonly beta_fast: number;
  readonly beta_slow: number;
  /** Whether the bounds of the ramp are whole channels. */
  readonly truncate: boolean;
  readonly original_max_position_embeddings: number;
  /** Multiplies cosines and sines. */
  readonly attention_factor: number;
}

/** arXiv 2402.13753. */
export interface LongRopeScaling {
  readonly rope_type: 'longrope';
  /** Divisors of the frequencies, dims / 2 of them, for texts of at most the original length … */
  readonly short_factor: readonly number[];
  /** … and for longer ones. */
  readonly long_factor: readonly number[];
  readonly original_max_position_embeddings: number;
  /** Multiplies cosines and sines. */
  readonly attention_factor: number;
}

export interface Rope {
  readonly theta: number;
  /** Channels of each head that turn, from the first; even. */
  readonly dims: number;
  readonly scaling: RopeScaling;
}

/** Cosines and sines [S, dims / 2], or [B, S, dims / 2] where each sample has its own positions. */
export interface Rotation {
  readonly cos: Value;
  readonly sin: Value;
}

/** For positions 0 … length − 1, or for `positions` [B, S] int32, all below `length`. */
export function rotation(g: Builder, rope: Rope, length: number, positions?: Value): Rotation {
  const { cos, sin } = rotaryTables(rope, length);
  const shape = [length, rope.dims / 2];
  const table = (data: Float32Array, name: string) => {
    const all = g.constant(float32(shape, data), name);
    return positions === undefined ? all : g.gather(all, positions);
  };
  return { cos: table(cos, 'rotary_cos'), sin: table(sin, 'rotary_sin') };
}

/**
 * x [B, S, heads · d] -> the same shape: channels i and i + dims / 2 of each head turn by position
 * · frequency_i.
 */
export function rotate(g: Builder, x: Value, heads: number, { cos, sin }: Rotation): Value {
  return g.add1('RotaryEmbedding', [x, cos, sin], { num_heads: heads, interleaved: false });
}

/**
 * cos and sin of position · frequency, [length, dims / 2], each step rounded to float32 as the
 * models were trained.
 */
function rotaryTables(rope: Rope, length: number): { cos: Float32Array; sin: Float32Array } {
  return rotaryRows(rope, length, 0, length);
}

/** The same for positions first … first + count − 1 of a text of `length` tokens. */
export function rotaryRows(
  rope: Rope,
  length: number,
  first: number,
  count: number,
): { cos: Float32Array; sin: Float32Array } {
  const frequencies = rotaryFrequencies(rope, length);
  const factor =
    'attention_factor' in rope.scaling ? Math.fround(rope.scaling.attention_factor) : 1;
  const half = frequencies.length;
  const [cos, sin] = [new Float32Array(count * half), new Float32Array(count * half)];
  for (let i = 0; i < cos.length; i++) {
    const angle = Math.fround((first + Math.floor(i / half)) * frequencies[i % half]);
    cos[i] = Math.fround(Math.cos(angle)) * factor;
    sin[i] = Math.fround(Math.sin(angle)) * factor;
  }
  return { cos, sin };
}

/** Whether texts of at most `longest` tokens turn otherwise by their length. */
export function changesWithLength({ scaling }: Rope, longest: number): boolean {
  switch (scaling.rope_type) {
    case 'dynamic':
      return longest > scaling.max_position_embeddings;
    case 'longrope':
      return longest > scaling.original_max_position_embeddings;
    case 'default':
    case 'linear':
    case 'llama3':
    case 'yarn':
      return false;
  }
}

/** Radians a position, one for each pair of channels, for texts of `length` tokens. */
function rotaryFrequencies({ theta, dims, scaling }: Rope, length: number): Float32Array {
  switch (scaling.rope_type) {
    case 'default':
      return frequencies(theta, dims);
    case 'linear':
      return frequencies(theta, dims).map((f) => f / scaling.factor);
    case 'dynamic':
      return frequencies(dynamicTheta(theta, dims, scaling, length), dims);
    case 'llama3':
      return frequencies(theta, dims).map((f) => llama3(f, scaling));
    case 'yarn':
      return yarn(frequencies(theta, dims), theta, dims, scaling);
    case 'longrope': {
      const factors =
        length > scaling.original_max_position_embeddings
          ? scaling.long_factor
          : scaling.short_factor;
      return frequencies(theta, dims).map((f, i) => f / factors[i]);
    }
  }
}

/** theta^(−2i / dims) */
function frequencies(theta: number, dims: number): Float32Array {
  return Float32Array.from(
    { length: dims / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / dims)),
  );
}

/** theta · (factor · L / max − (factor − 1))^(dims / (dims − 2)) for L > max. */
function dynamicTheta(
  theta: number,
  dims: number,
  { factor, max_position_embeddings: max }: { factor: number; max_position_embeddings: number },
  length: number,
): number {
  return theta * ((factor * Math.max(length, max)) / max - (factor - 1)) ** (dims / (dims - 2));
}

/** Slow turns are slowed by the factor, fast ones kept, those between interpolated. */
function llama3(
  frequency: number,
  {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  }: Llama3Scaling,
): number {
  const turns = (original * frequency) / (2 * Math.PI); // within the original length
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** A ramp over the channels from kept to slowed by the factor. */
function yarn(kept: Float32Array, theta: number, dims: number, scaling: YarnScaling): Float32Array {
  const { factor, truncate } = scaling;
  const channel = (turns: number) =>
    (dims * Math.log(scaling.original_max_position_embeddings / (turns * 2 * Math.PI))) /
    (2 * Math.log(theta));
  const [first, last] = [channel(scaling.beta_fast), channel(scaling.beta_slow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dims - 1);
  const width = low === high ? 0.001 : high - low;
  return kept.map((f, i) => {
    const slowed = Math.min(Math.max((i - low) / width, 0), 1);
    return (f / factor) * slowed + f * (1 - slowed);
  });
}
