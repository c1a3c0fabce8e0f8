// What a model's configuration becomes in GGUF: the keys that llama.cpp reads for each family, and
// the factors of long contexts.

import { UserError, type Problem } from '../errors.ts';
import type { GgufFamily } from '../models/gguf-family.ts';
import type { LanguageModelConfig, LayerSight } from '../models/language-config.ts';
import { familyOf } from '../models/language-families.ts';
import { yarnAttention } from '../models/rope-config.ts';
import type { Llama3Scaling, Rope, YarnScaling } from '../nn/rotary.ts';
import { gguf, type GgufValue } from '../tensor/gguf.ts';

type Entries = readonly (readonly [string, GgufValue])[];

/**
 * The keys under the architecture's name. Throws UserError for settings that llama.cpp does not
 * have.
 */
export function configEntries(config: LanguageModelConfig, vocabularySize: number): Entries {
  const { gguf: family } = familyOf(config);
  const problems = [...familyProblems(config, family), ...ropeProblems(config, family)];
  if (problems.length > 0) throw new UserError(problems);
  const entries = [
    ...common(config, family, vocabularySize),
    ...own(config, family),
    ...ropeScaling(mainRope(config)),
  ];
  return entries.map(([key, value]) => [`${family.architecture}.${key}`, value]);
}

function common(config: LanguageModelConfig, family: GgufFamily, vocabularySize: number): Entries {
  const { attention, mlp, norm } = config.layer;
  const context = Math.min(
    config.max_position_embeddings,
    unseenWindow(config, family) ?? Infinity,
  );
  return [
    ['block_count', gguf.uint32(config.layers.length)],
    ['context_length', gguf.uint32(context)],
    ['embedding_length', gguf.uint32(config.hidden_size)],
    ['feed_forward_length', gguf.uint32(mlp.width)],
    ['attention.head_count', gguf.uint32(attention.heads)],
    ['attention.head_count_kv', gguf.uint32(attention.kvHeads)],
    ['attention.key_length', gguf.uint32(attention.headDim)],
    ['attention.value_length', gguf.uint32(attention.headDim)],
    ['attention.layer_norm_rms_epsilon', gguf.float32(norm.epsilon)],
    ['rope.freq_base', gguf.float32(mainRope(config).theta)],
    ['vocab_size', gguf.uint32(vocabularySize)],
  ];
}

const windowed = ({ layers }: LanguageModelConfig): LayerSight | undefined =>
  layers.find(({ window }) => window !== undefined);

/** Of the layers that see all; of those with a window, where all have one. */
const mainRope = ({ layers }: LanguageModelConfig): Rope =>
  (layers.find(({ window }) => window === undefined) ?? layers[0]).rope;

/** The window of a family that has none in llama.cpp; within it both compute the same. */
const unseenWindow = (config: LanguageModelConfig, { windows }: GgufFamily): number | undefined =>
  windows.kind === 'unseen' ? windowed(config)?.window : undefined;

/** What whoever runs the file must know. */
export function ggufNotes(config: LanguageModelConfig): string[] {
  const window = unseenWindow(config, familyOf(config).gguf);
  const { scaling } = mainRope(config);
  return [
    ...(window === undefined || window >= config.max_position_embeddings
      ? []
      : [
          `llama.cpp has no sliding window for ${config.model_type}: results are the same up to ${window} tokens`,
        ]),
    ...(scaling.rope_type === 'longrope'
      ? [
          `LongRoPE: give llama.cpp a context of at most ${scaling.original_max_position_embeddings} tokens unless texts are longer; it chooses the frequencies by the size of the context`,
        ]
      : []),
  ];
}

/** What the family alone has. */
function own(config: LanguageModelConfig, family: GgufFamily): Entries {
  const { windows, partialRotary, capped } = family;
  const rope = mainRope(config);
  const window = ['attention.sliding_window', gguf.uint32(windowed(config)?.window ?? 0)] as const;
  return [
    ...(partialRotary ? [['rope.dimension_count', gguf.uint32(rope.dims)] as const] : []),
    ...(windows.kind === 'periodic' ? [window, ...pattern(config, windows.period)] : []),
    ...localTheta(config, family),
    ...(capped ? caps(config) : []),
    ...(windows.kind === 'unseen' && windows.told
      ? [
          window,
          ['rope.scaling.original_context_length', gguf.uint32(originalContext(config))] as const,
        ]
      : []),
  ];
}

/**
 * llama.cpp's gemma2 always caps. A cap far above all numbers changes none: 2^16 is exact to divide
 * by.
 */
const NO_CAP = 65_536;

const caps = ({ layer, final_logit_softcapping: logits }: LanguageModelConfig): Entries => [
  ['attn_logit_softcapping', gguf.float32(layer.attention.softcap ?? NO_CAP)],
  ['final_logit_softcapping', gguf.float32(logits ?? NO_CAP)],
];

/**
 * Every `period`th layer has full attention, the others a window; nothing where the layers have no
 * such period.
 */
function periodOf({ layers }: LanguageModelConfig, usual: number): number | undefined {
  const fits = (period: number) =>
    layers.every(({ window }, i) => (window === undefined) === ((i + 1) % period === 0));
  return [usual, ...Array.from({ length: layers.length + 1 }, (_, i) => i + 1)].find(fits);
}

/** Written only where it is not llama.cpp's own: older versions read no such key. */
function pattern(config: LanguageModelConfig, usual: number): Entries {
  const period = periodOf(config, usual);
  return period === undefined || period === usual
    ? []
    : [['attention.sliding_window_pattern', gguf.uint32(period)]];
}

/** Of the layers with a window. */
function localTheta(config: LanguageModelConfig, family: GgufFamily): Entries {
  const theta = windowed(config)?.rope.theta;
  return family.localTheta === undefined || theta === undefined || theta === family.localTheta
    ? []
    : [['rope.freq_base_swa', gguf.float32(theta)]];
}

function originalContext(config: LanguageModelConfig): number {
  const { scaling } = mainRope(config);
  return 'original_max_position_embeddings' in scaling
    ? scaling.original_max_position_embeddings
    : config.max_position_embeddings;
}

function ropeScaling({ scaling }: Rope): Entries {
  switch (scaling.rope_type) {
    case 'linear':
    case 'yarn':
      return [
        ['rope.scaling.type', gguf.text(scaling.rope_type)],
        ['rope.scaling.factor', gguf.float32(scaling.factor)],
        ...(scaling.rope_type === 'linear'
          ? []
          : [
              [
                'rope.scaling.original_context_length',
                gguf.uint32(scaling.original_max_position_embeddings),
              ] as const,
            ]),
      ];
    case 'longrope':
      return [['rope.scaling.attn_factor', gguf.float32(scaling.attention_factor)]];
    case 'llama3': // by tensors, below
    case 'dynamic': // refused before
    case 'default':
      return [];
  }
}

/**
 * Tensors that stand for the scaling of rotary frequencies: each frequency is divided by its
 * factor.
 */
export function ropeTensors(config: LanguageModelConfig): { name: string; data: Float32Array }[] {
  const rope = mainRope(config);
  const { scaling } = rope;
  if (scaling.rope_type === 'llama3')
    return [{ name: 'rope_freqs.weight', data: llama3Factors(rope, scaling) }];
  if (scaling.rope_type !== 'longrope') return [];
  return [
    { name: 'rope_factors_long.weight', data: Float32Array.from(scaling.long_factor) },
    { name: 'rope_factors_short.weight', data: Float32Array.from(scaling.short_factor) },
  ];
}

/** Llama 3.1: long waves are slowed by `factor`, short ones stay, between them a ramp. */
function llama3Factors({ theta, dims }: Rope, scaling: Llama3Scaling): Float32Array {
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  } = scaling;
  return Float32Array.from({ length: dims / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / dims);
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function ropeProblems(
  config: LanguageModelConfig,
  { architecture, scalings }: GgufFamily,
): Problem[] {
  const { scaling } = mainRope(config);
  if (!scalings.includes(scaling.rope_type))
    return [
      problem(
        'rope_scaling',
        `llama.cpp's ${architecture} has no rotary scaling "${scaling.rope_type}" (it has ${scalings.join(', ')})`,
      ),
    ];
  return scaling.rope_type === 'yarn' && !isUsualYarn(scaling)
    ? [
        problem(
          'rope_scaling',
          'yarn with its own attention_factor, beta_fast, beta_slow, mscale or truncate cannot be written as GGUF',
        ),
      ]
    : [];
}

const isUsualYarn = ({ factor, beta_fast, beta_slow, truncate, attention_factor }: YarnScaling) =>
  beta_fast === 32 && beta_slow === 1 && truncate && attention_factor === yarnAttention(factor, {});

function familyProblems(config: LanguageModelConfig, family: GgufFamily): Problem[] {
  const { activation } = config.layer.mlp;
  const { architecture, windows } = family;
  const checks: readonly (readonly [holds: boolean, key: string, what: string])[] = [
    [
      activation === family.activation,
      'hidden_act',
      `llama.cpp computes ${config.model_type} with ${family.activation}, not ${activation}`,
    ],
    [
      windows.kind !== 'refused' || windowed(config) === undefined,
      'sliding_window',
      `llama.cpp's ${architecture} has no sliding window`,
    ],
    [
      windows.kind !== 'periodic' || periodOf(config, windows.period) !== undefined,
      'layer_types',
      'llama.cpp supports only full attention in every n-th layer and a window in the others',
    ],
    [
      family.outputBias || !config.layer.attention.bias.out,
      'attention_bias',
      `llama.cpp's ${architecture} has no bias of o_proj`,
    ],
    [
      family.ownHead || config.tie_word_embeddings,
      'tie_word_embeddings',
      `llama.cpp's ${architecture} has no output layer of its own`,
    ],
    [
      family.capped || !isCapped(config),
      'attn_logit_softcapping',
      `llama.cpp's ${architecture} has no softcapping of attention scores`,
    ],
  ];
  return checks.filter(([holds]) => !holds).map(([, key, what]) => problem(key, what));
}

const isCapped = ({ layer, final_logit_softcapping: logits }: LanguageModelConfig): boolean =>
  layer.attention.softcap !== undefined || logits !== undefined;

/**
 * What the queries' layer is multiplied with: llama.cpp divides Gemma's scores by √(channels of a
 * head), in the largest models by √(channels / heads), not by √query_pre_attn_scalar. 1 for models
 * that Google published, and for other families.
 */
export function queryFactor(config: LanguageModelConfig): number {
  const { queryScale } = familyOf(config).gguf;
  if (queryScale === undefined) return 1;
  const { heads, headDim, scale } = config.layer.attention;
  const channels =
    config.layers.length === queryScale.largest ? config.hidden_size / heads : headDim;
  const scalar = Number((scale ** -2).toPrecision(12)); // query_pre_attn_scalar, exactly
  return Math.sqrt(channels / scalar);
}

function problem(key: string, what: string): Problem {
  return {
    where: `config.json ${key}`,
    what,
    fix: 'This model cannot run in llama.cpp as it is; use the safetensors folder.',
  };
}
