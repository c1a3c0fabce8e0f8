// What a decoder is built from, and the parts of a config.json from which the families make it.

import { z } from 'zod';
import type { DecoderLayerOptions } from '../nn/decoder-layer.ts';
import { activations, type Activation } from '../nn/gated-mlp.ts';
import type { Rope } from '../nn/rotary.ts';

/** A family's properties, with sizes; nothing that reads it needs to know the family. */
export interface LanguageModelConfig {
  readonly model_type: string;
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly max_position_embeddings: number;
  /** Whether the output head is the embedding. */
  readonly tie_word_embeddings: boolean;
  /** Factor of the token embeddings. */
  readonly embedding_scale: number;
  /** Cap c of the logits: c · tanh(logit / c). */
  readonly final_logit_softcapping?: number;
  /** What all layers have alike. */
  readonly layer: DecoderLayerOptions;
  /** What each layer has of its own. */
  readonly layers: readonly LayerSight[];
}

export interface LayerSight {
  /** Tokens that a token sees, itself and those before it; all where absent. */
  readonly window?: number;
  readonly rope: Rope;
}

const count = z.int().positive();
const positive = z.number().positive();

/** An option that a file may leave out, or hold as null. */
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);
/** The same with the value it then has. */
export const withDefault = <T extends z.ZodType>(schema: T, value: z.output<T>) =>
  schema.nullish().transform((found) => found ?? value);
/** An option for which null means "none", unlike a file that leaves it out. */
export const orNone = (value: number | null) =>
  positive
    .nullable()
    .default(value)
    .transform((found) => found ?? undefined);
export const flag = (value: boolean) => withDefault(z.boolean(), value);
export const whole = (value: number) => withDefault(count, value);
export const number = (value: number) => withDefault(positive, value);
// Object.keys forgets the keys' type
export const activation = z.enum(Object.keys(activations) as Activation[], {
  error: ({ input }) =>
    `is ${JSON.stringify(input)}; supported: ${Object.keys(activations).join(', ')}`,
});

/**
 * An option that only has the value our models implement; a file that leaves it out means that
 * value.
 */
export const only = (value: string | number | boolean | null) =>
  z
    .unknown()
    .optional()
    .refine((found) => found === undefined || found === null || found === value, {
      error: ({ input }) =>
        `is ${JSON.stringify(input)}; only ${JSON.stringify(value)} is supported`,
    });

const quantizedBy = (input: unknown): string => {
  const method = z.object({ quant_method: z.string() }).safeParse(input).data?.quant_method;
  return method === undefined ? '' : ` (${method})`;
};

/** Heads of keys and values: `absent` where a file has no such key, those of queries for null. */
export const kvHeadsOr = (absent: number) =>
  count
    .nullable()
    .default(absent)
    .transform((found) => found ?? undefined);
/** What each layer looks at, in families that read it. */
export const layerTypes = optional(z.array(z.enum(['full_attention', 'sliding_attention'])));

// eslint-disable-next-line house/no-object-as-map -- its fields are read by their names
const ropeFields = z.record(z.string(), z.unknown());
export type RopeFields = z.output<typeof ropeFields>;

/**
 * The fields that every family has. Each family adds those that transformers' class of it reads,
 * and no other: test/config-keys.test.ts.
 */
export const sizes = z.object({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: optional(count),
  head_dim: optional(count),
  rope_theta: optional(positive),
  rope_scaling: optional(ropeFields),
  /** Since transformers 5: rope_scaling with the theta in it. */
  rope_parameters: optional(ropeFields),
  original_max_position_embeddings: optional(count),
  quantization_config: z
    .unknown()
    .optional()
    .refine((found) => found === undefined || found === null, {
      error: ({ input }) =>
        `its weights are quantized${quantizedBy(input)}; use the version of this model with float32, float16 or bfloat16 weights`,
    }),
});
export type Sizes = z.output<typeof sizes> & {
  readonly layer_types?: z.output<typeof layerTypes>;
};

/**
 * Do the sizes fit together? For `.superRefine`, behind which a family's numbers may be divided.
 */
export function sizesFit(c: Sizes, ctx: z.RefinementCtx): void {
  const { heads, kvHeads, headDim } = headsOf(c);
  const checks: [holds: boolean, path: keyof Sizes, what: string][] = [
    [
      c.head_dim !== undefined || c.hidden_size % heads === 0,
      'num_attention_heads',
      `hidden_size ${c.hidden_size} does not divide into ${heads} heads`,
    ],
    [
      heads % kvHeads === 0,
      'num_key_value_heads',
      `${heads} heads cannot share ${kvHeads} key-value heads evenly`,
    ],
    [
      headDim % 2 === 0 || !Number.isInteger(headDim),
      'head_dim',
      `${headDim} channels per head are an odd number, but rotary embeddings turn channels in pairs`,
    ],
    [
      c.layer_types === undefined || c.layer_types.length === c.num_hidden_layers,
      'layer_types',
      `has ${c.layer_types?.length} entries for ${c.num_hidden_layers} layers`,
    ],
  ];
  for (const [holds, path, message] of checks)
    if (!holds) ctx.addIssue({ code: 'custom', path: [path], message });
}

export function headsOf(c: Sizes, headDim = c.hidden_size / c.num_attention_heads) {
  return {
    heads: c.num_attention_heads,
    kvHeads: c.num_key_value_heads ?? c.num_attention_heads,
    headDim: c.head_dim ?? headDim,
  };
}

/** What the model keeps as its file says it. */
export function asGiven({
  vocab_size,
  hidden_size,
  max_position_embeddings,
  tie_word_embeddings,
}: Pick<
  LanguageModelConfig,
  'vocab_size' | 'hidden_size' | 'max_position_embeddings' | 'tie_word_embeddings'
>) {
  return { vocab_size, hidden_size, max_position_embeddings, tie_word_embeddings };
}

/** One entry a layer, from the file's list or else from what the family does. */
export function layersOf(
  c: Sizes,
  slides: (layer: number) => boolean,
  { full, sliding }: { readonly full: LayerSight; readonly sliding: LayerSight },
  ctx: z.RefinementCtx,
): LayerSight[] {
  const isSliding = (i: number) =>
    c.layer_types === undefined ? slides(i) : c.layer_types[i] === 'sliding_attention';
  const layers = Array.from({ length: c.num_hidden_layers }, (_, i) => isSliding(i));
  if (layers.includes(true) && sliding.window === undefined)
    ctx.addIssue({
      code: 'custom',
      path: ['sliding_window'],
      message: 'is not set, but layer_types has layers with a sliding window',
    });
  return layers.map((one) => (one ? sliding : full));
}

/** All layers look at the same. */
export const layersAlike = (c: Sizes, sight: LayerSight): LayerSight[] =>
  Array.from({ length: c.num_hidden_layers }, () => sight);
