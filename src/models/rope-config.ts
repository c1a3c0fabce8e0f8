// How a config.json writes the rotary embedding, before and since transformers 5, as nn/rotary.ts
// takes it.

import { z } from 'zod';
import type { Rope, RopeScaling } from '../nn/rotary.ts';
import { withDefault, type RopeFields, type Sizes } from './language-config.ts';

const positive = z.number().positive();
const count = z.int().positive();
const optional = positive.nullish();

/** Fields of all kinds; `ropeOf` puts `dims` in. */
const shared = z.object({ rope_theta: positive, dims: count.multipleOf(2) });
const max_position_embeddings = count;
const original_max_position_embeddings = count;
const factors = z.array(positive);

const kinds = z.discriminatedUnion(
  'rope_type',
  [
    z.object({ rope_type: z.literal('default') }),
    z.object({ rope_type: z.literal('linear'), factor: positive }),
    z.object({ rope_type: z.literal('dynamic'), factor: positive, max_position_embeddings }),
    z.object({
      rope_type: z.literal('llama3'),
      factor: positive,
      low_freq_factor: positive,
      high_freq_factor: positive,
      original_max_position_embeddings,
    }),
    z.object({
      rope_type: z.literal('yarn'),
      factor: optional,
      beta_fast: withDefault(positive, 32),
      beta_slow: withDefault(positive, 1),
      truncate: withDefault(z.boolean(), true),
      mscale: optional,
      mscale_all_dim: optional,
      attention_factor: optional,
      max_position_embeddings,
      original_max_position_embeddings,
    }),
    z.object({
      rope_type: z.literal('longrope'),
      short_factor: factors,
      long_factor: factors,
      factor: optional,
      attention_factor: optional,
      max_position_embeddings,
      original_max_position_embeddings,
    }),
  ],
  {
    error: ({ input }) =>
      `${JSON.stringify(z.object({ rope_type: z.unknown() }).safeParse(input).data?.rope_type)} is not supported; supported: default, linear, dynamic, llama3, yarn, longrope`,
  },
);
type Kind = z.output<typeof kinds>;

export interface RopeSurroundings {
  readonly theta: number;
  readonly headDim: number;
  readonly max_position_embeddings: number;
  /**
   * In a family that turns a part of each head: that part, unless the fields say it. Others turn
   * all of it whatever the fields say.
   */
  readonly partial_rotary_factor?: number;
  /** Goes before what the fields say. */
  readonly original_max_position_embeddings?: number;
  /** The kinds that the family has; all by default. */
  readonly kinds?: readonly Kind['rope_type'][];
  /** Other words for kinds that we know. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** `rope_scaling` goes before `rope_parameters`, unless it is empty: as in transformers. */
export function ropeFieldsOf({
  rope_scaling: older,
  rope_parameters: newer,
}: Pick<Sizes, 'rope_scaling' | 'rope_parameters'>): RopeFields {
  return older !== undefined && Object.keys(older).length > 0 ? older : (newer ?? {});
}

/** `fields` is what `ropeFieldsOf` gives; faults become issues of the file. */
export function ropeOf(fields: RopeFields, around: RopeSurroundings, ctx: z.RefinementCtx): Rope {
  const all = completed(fields, around);
  const [turning, kind] = [shared.safeParse(all), kinds.safeParse(all)];
  const faults = [
    ...(turning.error?.issues ?? []),
    ...(kind.error?.issues ?? []),
    ...(kind.success ? familyFaults(fields, kind.data, around) : []),
  ];
  for (const { path, message } of faults)
    ctx.addIssue({ code: 'custom', path: ['rope_scaling', ...path], message });
  if (faults.length > 0 || !turning.success || !kind.success)
    return { theta: around.theta, dims: around.headDim, scaling: { rope_type: 'default' } };
  const { rope_theta: theta, dims } = turning.data;
  return { theta, dims, scaling: scalingOf(kind.data, dims, ctx) };
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function familyFaults(
  fields: RopeFields,
  { rope_type }: Kind,
  { kinds: known, partial_rotary_factor: partial }: RopeSurroundings,
): Fault[] {
  const told = fields.partial_rotary_factor ?? 1;
  return [
    ...(known === undefined || known.includes(rope_type)
      ? []
      : [{ path: ['rope_type'], message: `is ${rope_type}; this family has ${known.join(', ')}` }]),
    ...(partial !== undefined || told === 1 || rope_type === 'default'
      ? []
      : [{ path: ['partial_rotary_factor'], message: 'this family rotates whole heads' }]),
    ...('full_attention' in fields || 'sliding_attention' in fields
      ? [{ path: [], message: 'this family has one rotary embedding for all layers' }]
      : []),
  ];
}

function completed(fields: RopeFields, around: RopeSurroundings): RopeFields {
  const { max_position_embeddings, headDim } = around;
  const named = fields.rope_type ?? fields.type ?? 'default';
  const partial =
    around.partial_rotary_factor === undefined
      ? 1
      : Number(fields.partial_rotary_factor ?? around.partial_rotary_factor);
  return {
    ...fields,
    rope_type: around.aliases?.[String(named)] ?? named,
    rope_theta: fields.rope_theta ?? around.theta,
    dims: Math.trunc(headDim * partial),
    max_position_embeddings,
    original_max_position_embeddings:
      around.original_max_position_embeddings ??
      fields.original_max_position_embeddings ??
      max_position_embeddings,
  };
}

function scalingOf(kind: Kind, dims: number, ctx: z.RefinementCtx): RopeScaling {
  switch (kind.rope_type) {
    case 'yarn':
      return {
        ...kind,
        factor: stretch(kind),
        attention_factor: kind.attention_factor ?? yarnAttention(stretch(kind), kind),
      };
    case 'longrope':
      for (const key of ['short_factor', 'long_factor'] as const) {
        if (kind[key].length !== dims / 2)
          ctx.addIssue({
            code: 'custom',
            path: ['rope_scaling', key],
            message: `has ${kind[key].length} numbers for ${dims / 2} pairs of channels`,
          });
      }
      return {
        ...kind,
        attention_factor:
          kind.attention_factor ??
          longRopeAttention(stretch(kind), kind.original_max_position_embeddings),
      };
    case 'default':
    case 'linear':
    case 'dynamic':
    case 'llama3':
      return kind;
  }
}

interface Stretched {
  readonly factor?: number | null | undefined;
  readonly max_position_embeddings: number;
  readonly original_max_position_embeddings: number;
}

const stretch = ({
  factor,
  max_position_embeddings: now,
  original_max_position_embeddings: once,
}: Stretched): number => factor ?? now / once;

/** 0.1 ln(factor) + 1, or the quotient of two such numbers. */
export function yarnAttention(
  factor: number,
  { mscale, mscale_all_dim }: { mscale?: number | null; mscale_all_dim?: number | null },
): number {
  const grown = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  return mscale && mscale_all_dim ? grown(mscale) / grown(mscale_all_dim) : grown(1);
}

/** √(1 + ln factor / ln original) */
function longRopeAttention(factor: number, original: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
}
