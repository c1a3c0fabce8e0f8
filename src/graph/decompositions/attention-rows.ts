// From tokens with their heads side by side to heads with their tokens one after the other, and back.

import { int32, type Tensor } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';

export interface Heads {
  readonly groups: number;
  /** Query heads that share one key head. */
  readonly repeat: number;
}

/**
 * Tokens `start` … `end` − 1 of x [B, S, H·d] as [B, groups, repeat · rows, d]: heads that share keys meet them in one product.
 * Some of the tokens are gathered row by row, which takes the place of a slice and a transposition and runs on all threads.
 */
export function headRows(g: Builder, x: Value, heads: Heads, start: number, end: number): Value {
  const [b, s, width] = x.shape;
  const { groups, repeat } = heads;
  const d = width / groups / repeat;
  if (start > 0 || end < s) return g.gather(g.reshape(x, [(b * s * width) / d, d]), rowTable(g, x, heads, start, end));
  if (repeat === 1) return g.transpose(g.reshape(x, [b, s, groups, d]), [0, 2, 1, 3]);
  return folded(g, g.transpose(g.reshape(x, [b, s, groups, repeat, d]), [0, 2, 3, 1, 4]));
}

/** Rows of x [B, S, H·d], seen as [B · S · H, d], in the order of [B, groups, repeat, rows]. */
function rowTable(g: Builder, { shape: [b, s] }: Value, { groups, repeat }: Heads, start: number, end: number): Value {
  const rows = end - start;
  return sharedConstant(g, `head_rows ${b} ${s} ${groups} ${repeat} ${start} ${end}`, () => {
    const data = new Int32Array(b * groups * repeat * rows);
    for (let i = 0; i < data.length; i++) {
      const [head, sample] = [Math.floor(i / rows) % (groups * repeat), Math.floor(i / rows / groups / repeat)];
      data[i] = (sample * s + start + (i % rows)) * groups * repeat + head;
    }
    return int32([b, groups, repeat * rows], data);
  });
}

/** Blocks of tokens, each [B, groups, repeat · rows, d], as [B, S, H·d]. */
export function joinedRows(g: Builder, blocks: readonly Value[], heads: Heads): Value {
  if (blocks.length === 1) return joined(g, unfolded(g, blocks[0], heads));
  const [b, groups, , d] = blocks[0].shape;
  const all = g.concat(blocks, 2);
  const rows = g.gather(g.reshape(all, [b * groups * all.shape[2], d]), tokenTable(g, blocks, heads));
  return g.reshape(rows, [b, all.shape[2] / heads.repeat, groups * heads.repeat * d]);
}

/** Rows of the blocks put together, seen as [B · groups · repeat · S, d], in the order of [B, S, groups, repeat]. */
function tokenTable(g: Builder, blocks: readonly Value[], { groups, repeat }: Heads): Value {
  const [b] = blocks[0].shape;
  const sizes = blocks.map(({ shape }) => shape[2] / repeat);
  const s = sizes.reduce((sum, size) => sum + size, 0);
  return sharedConstant(g, `token_rows ${b} ${groups} ${repeat} ${sizes}`, () => {
    const data = new Int32Array(b * s * groups * repeat);
    let start = 0;
    for (const size of sizes) {
      for (let i = 0; i < b * size * groups * repeat; i++) {
        const [token, head] = [Math.floor(i / groups / repeat), i % (groups * repeat)];
        const [sample, row, group, one] = [Math.floor(token / size), token % size, Math.floor(head / repeat), head % repeat];
        data[((sample * s + start + row) * groups + group) * repeat + one] = (sample * groups + group) * repeat * s + repeat * start + one * size + row;
      }
      start += size;
    }
    return int32([data.length], data);
  });
}

/** [B, groups, repeat, S, d] as [B, groups, repeat · S, d]. */
export function folded(g: Builder, x: Value): Value {
  if (x.shape.length === 4) return x;
  const [b, groups, repeat, s, d] = x.shape;
  return g.reshape(x, [b, groups, repeat * s, d]);
}

export function unfolded(g: Builder, x: Value, { repeat }: Heads): Value {
  if (repeat === 1) return x;
  const [b, groups, s, d] = x.shape;
  return g.reshape(x, [b, groups, repeat, s / repeat, d]);
}

/** [B, H, S, d] or [B, groups, repeat, S, d] as [B, S, H·d]. */
export function joined(g: Builder, x: Value): Value {
  const rank = x.shape.length;
  const [b, s, d] = [x.shape[0], x.shape[rank - 2], x.shape[rank - 1]];
  const heads = x.shape.slice(1, -2).reduce((a, c) => a * c, 1);
  const perm = rank === 4 ? [0, 2, 1, 3] : [0, 3, 1, 2, 4];
  return g.reshape(g.transpose(x, perm), [b, s, heads * d]);
}

const constants = new WeakMap<Builder, Map<string, Value>>();

/** A constant of the graph, once for each key, whose first word it is named for: one for each layer would take more memory than all else that is constant. */
export function sharedConstant(g: Builder, key: string, make: () => Tensor): Value {
  const known = constants.get(g) ?? new Map<string, Value>();
  constants.set(g, known);
  const value = known.get(key) ?? g.constant(make(), key.split(' ')[0]);
  known.set(key, value);
  return value;
}
