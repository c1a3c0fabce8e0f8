// Names of tensors in llama.cpp, and the order in which it wants their rows.

import type { GgufFamily } from '../models/gguf-family.ts';
import type { SelfAttentionOptions } from '../nn/self-attention.ts';

const outside: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
};

/**
 * `model.layers.3.self_attn.q_proj` → `blk.3.attn_q`; nothing for what the family does not have.
 */
export function ggufModuleName(family: GgufFamily, path: string): string | undefined {
  const inside = /^model\.layers\.(\d+)\.(.+)$/.exec(path);
  if (inside === null) return Object.hasOwn(outside, path) ? outside[path] : undefined;
  const [, index, name] = inside;
  return Object.hasOwn(family.layer, name) ? `blk.${index}.${family.layer[name]}` : undefined;
}

/** Heads whose rows a tensor's permutation runs over; nothing when its rows stay. */
export function permutedHeads(
  family: GgufFamily,
  path: string,
  { heads, kvHeads }: Pick<SelfAttentionOptions, 'heads' | 'kvHeads'>,
): number | undefined {
  if (!family.permuted) return undefined;
  if (path.endsWith('.self_attn.q_proj')) return heads;
  return path.endsWith('.self_attn.k_proj') ? kvHeads : undefined;
}

/** Whether `queryFactor` goes into this layer. */
export const takesQueryScale = ({ queryScale }: GgufFamily, path: string): boolean =>
  queryScale !== undefined && path.endsWith(queryScale.layer);

/**
 * Within each head, row j of the first half and row j of the second become rows 2j and 2j + 1.
 * `data`: [rows, columns].
 */
export function permuteRows(data: Float32Array, rows: number, heads: number): Float32Array {
  const columns = data.length / rows;
  const half = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const to = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    out.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}
