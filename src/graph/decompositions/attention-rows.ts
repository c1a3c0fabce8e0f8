// From tokens with their heads side by side to heads with their tokens one after the other, and
// back.

import { int32, type Tensor } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { AttentionAttributes } from '../ops.ts';

export interface Heads {
  readonly groups: number;
  /** Query heads that share one key head. */
  readonly repeat: number;
}

/** Some of the tokens, and the form in which they are wanted. */
export interface Rows {
  readonly start: number;
  readonly end: number;
  /** Sizes to take the place of [B, groups, repeat · rows]. */
  readonly form?: readonly number[];
}

/**
 * Tokens `start` … `end` − 1 of x [B, S, H·d] as [B, groups, repeat · rows, d]: heads that share
 * keys meet them in one product. Some of the tokens are gathered row by row, which takes the place
 * of a slice and a transposition and runs on all threads.
 */
export function headRows(g: Builder, x: Value, heads: Heads, { start, end, form }: Rows): Value {
  const [b, s, width] = x.shape;
  const { groups, repeat } = heads;
  const d = width / groups / repeat;
  const wanted = form ?? [b, groups, repeat * (end - start)];
  if (start > 0 || end < s)
    return g.gather(
      g.reshape(x, [(b * s * width) / d, d]),
      rowTable(g, x, heads, { start, end, form: wanted }),
    );
  if (repeat > 1)
    return g.reshape(g.transpose(g.reshape(x, [b, s, groups, repeat, d]), [0, 2, 3, 1, 4]), [
      ...wanted,
      d,
    ]);
  const rows = g.transpose(g.reshape(x, [b, s, groups, d]), [0, 2, 1, 3]);
  return form === undefined ? rows : g.reshape(rows, [...form, d]);
}

/** Rows of x [B, S, H·d], seen as [B · S · H, d], in the order of [B, groups, repeat, rows]. */
function rowTable(
  g: Builder,
  { shape: [b, s] }: Value,
  { groups, repeat }: Heads,
  { start, end, form = [] }: Rows,
): Value {
  const rows = end - start;
  return sharedConstant(
    g,
    `head_rows ${b} ${s} ${groups} ${repeat} ${start} ${end} ${form}`,
    () => {
      const data = new Int32Array(b * groups * repeat * rows);
      for (let i = 0; i < data.length; i++) {
        const [head, sample] = [
          Math.floor(i / rows) % (groups * repeat),
          Math.floor(i / rows / groups / repeat),
        ];
        data[i] = (sample * s + start + (i % rows)) * groups * repeat + head;
      }
      return int32(form, data);
    },
  );
}

/** Blocks of tokens, each [B, groups, repeat · rows, d], as [B, S, H·d]. */
export function joinedRows(g: Builder, blocks: readonly Value[], heads: Heads): Value {
  if (blocks.length === 1) return joined(g, unfolded(g, blocks[0], heads));
  const [b, groups, , d] = blocks[0].shape;
  const all = g.concat(blocks, 2);
  const rows = g.gather(
    g.reshape(all, [b * groups * all.shape[2], d]),
    tokenTable(g, blocks, heads),
  );
  return g.reshape(rows, [b, all.shape[2] / heads.repeat, groups * heads.repeat * d]);
}

/**
 * Rows of the blocks put together, seen as [B · groups · repeat · S, d], in the order of [B, S,
 * groups, repeat].
 */
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
        const [sample, row, group, one] = [
          Math.floor(token / size),
          token % size,
          Math.floor(head / repeat),
          head % repeat,
        ];
        data[((sample * s + start + row) * groups + group) * repeat + one] =
          (sample * groups + group) * repeat * s + repeat * start + one * size + row;
      }
      start += size;
    }
    return int32([data.length], data);
  });
}

/**
 * In which form a block's rows and the keys they see meet; undefined: as they are. A thread
 * computes whole products of one group: of an odd number of them the last one is computed while
 * other threads wait. So an odd number is cut in halves, [B, groups, 2, n / 2, d] and [B, groups,
 * 1, keys, d]. Where nothing is causal, graphs of several shapes are to stay of one structure.
 */
export function halves(
  { shape: [b] }: Value,
  { groups, repeat }: Heads,
  { start, end, keys }: { start: number; end: number; keys: number },
  { is_causal }: AttentionAttributes,
) {
  const n = repeat * (end - start);
  const cut = is_causal && (b * groups) % 2 === 1 && n % 2 === 0;
  return {
    rows: cut ? [b, groups, 2, n / 2] : undefined,
    seen: cut ? [b, groups, 1, keys] : undefined,
  };
}

/** [B, groups, 2, n / 2, d] as [B, groups, n, d]. */
export function whole(g: Builder, x: Value): Value {
  const [b, groups, two, half, d] = x.shape;
  return x.shape.length === 4 ? x : g.reshape(x, [b, groups, two * half, d]);
}

/** [B, groups, 2, keys, d] to [B, groups, keys, d]. */
export const sumOfHalves = (g: Builder, x: Value): Value =>
  x.shape.length === 4 ? x : g.reduceSum(x, [2]);

/** [B, groups, repeat · S, d] as [B, groups, repeat, S, d] where heads share keys. */
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

/**
 * A constant of the graph, once for each key, whose first word it is named for: one for each layer
 * would take more memory than all else that is constant.
 */
export function sharedConstant(g: Builder, key: string, make: () => Tensor): Value {
  const known = constants.get(g) ?? new Map<string, Value>();
  constants.set(g, known);
  const value = known.get(key) ?? g.constant(make(), key.split(' ')[0]);
  known.set(key, value);
  return value;
}
