// What a config.json becomes in GGUF: the keys that llama.cpp reads for each family, and the
// factors of long contexts.

import { UserError, type Problem } from '../errors.ts';
import { gguf, type GgufValue } from '../tensor/gguf.ts';
import type { GgufFamily } from './gguf-families.ts';
import { headDim, kvHeads, ropeOf, type LanguageConfig } from './model-files.ts';

type Entries = readonly (readonly [string, GgufValue])[];

/**
 * The keys under the architecture's name. Throws UserError for settings that llama.cpp does not
 * have.
 */
export function configEntries(
  config: LanguageConfig,
  family: GgufFamily,
  vocabularySize: number,
): Entries {
  const problems = [...familyProblems(config, family), ...ropeProblems(config, family)];
  if (problems.length > 0) throw new UserError(problems);
  const entries = [
    ...common(config, vocabularySize),
    ...own[family.architecture](config),
    ...ropeScaling(config),
  ];
  return entries.map(([key, value]) => [`${family.architecture}.${key}`, value]);
}

function common(config: LanguageConfig, vocabularySize: number): Entries {
  const context = Math.min(config.max_position_embeddings, unseenWindow(config) ?? Infinity);
  return [
    ['block_count', gguf.uint32(config.num_hidden_layers)],
    ['context_length', gguf.uint32(context)],
    ['embedding_length', gguf.uint32(config.hidden_size)],
    ['feed_forward_length', gguf.uint32(config.intermediate_size)],
    ['attention.head_count', gguf.uint32(config.num_attention_heads)],
    ['attention.head_count_kv', gguf.uint32(kvHeads(config))],
    ['attention.key_length', gguf.uint32(headDim(config))],
    ['attention.value_length', gguf.uint32(headDim(config))],
    ['attention.layer_norm_rms_epsilon', gguf.float32(config.rms_norm_eps)],
    ['rope.freq_base', gguf.float32(ropeOf(config).theta)],
    ['vocab_size', gguf.uint32(vocabularySize)],
  ];
}

/** The window of a family that has none in llama.cpp; within it both compute the same. */
function unseenWindow({ model_type, sliding_window }: LanguageConfig): number | undefined {
  return (model_type === 'mistral' || model_type === 'phi3') && typeof sliding_window === 'number'
    ? sliding_window
    : undefined;
}

/** What whoever runs the file must know. */
export function ggufNotes(config: LanguageConfig): string[] {
  const [window, once] = [unseenWindow(config), originalContext(config)];
  return [
    ...(window === undefined || window >= config.max_position_embeddings
      ? []
      : [
          `llama.cpp has no sliding window for ${config.model_type}: it computes the same up to ${window} tokens`,
        ]),
    ...(ropeOf(config).type === 'longrope'
      ? [
          `LongRoPE: open it with at most ${once} tokens of context unless texts are longer; llama.cpp chooses by the size of the context`,
        ]
      : []),
  ];
}

const rotated = (config: LanguageConfig) =>
  Math.floor(
    headDim(config) *
      (ropeOf(config).parameters.partial_rotary_factor ?? config.partial_rotary_factor ?? 1),
  );
const rotaryWidth = (config: LanguageConfig) =>
  ['rope.dimension_count', gguf.uint32(rotated(config))] as const;
const window = (config: LanguageConfig) =>
  ['attention.sliding_window', gguf.uint32(config.sliding_window ?? 0)] as const;

/**
 * llama.cpp's gemma2 always caps. A cap far above all numbers changes none: 2^16 is exact to divide
 * by.
 */
const capOf = (cap: number | null | undefined, usual: number): number =>
  cap === null ? 65_536 : (cap ?? usual);

/**
 * Every `period`th layer has full attention, the others a window; nothing where the layers have no
 * such period.
 */
function periodOf(
  { layer_types: types, sliding_window_pattern: told, num_hidden_layers: layers }: LanguageConfig,
  usual: number,
): number | undefined {
  if (!types) return told ?? usual;
  const fits = (period: number) =>
    types.every((type, i) => (type === 'full_attention') === ((i + 1) % period === 0));
  return [usual, ...Array.from({ length: layers + 1 }, (_, i) => i + 1)].find(fits);
}

/** Written only where it is not llama.cpp's own: older versions read no such key. */
function pattern(config: LanguageConfig, usual: number): Entries {
  const period = periodOf(config, usual);
  return period === undefined || period === usual
    ? []
    : [['attention.sliding_window_pattern', gguf.uint32(period)]];
}

const LOCAL_BASE = 10_000;

/** Of the layers with a window. */
function localBase(config: LanguageConfig): Entries {
  const { local = LOCAL_BASE } = ropeOf(config);
  return local === LOCAL_BASE ? [] : [['rope.freq_base_swa', gguf.float32(local)]];
}

const own: { readonly [A in GgufFamily['architecture']]: (config: LanguageConfig) => Entries } = {
  llama: (config) => [rotaryWidth(config)],
  qwen2: () => [],
  qwen3: () => [],
  gemma2: (config) => [
    window(config),
    ...pattern(config, 2),
    ['attn_logit_softcapping', gguf.float32(capOf(config.attn_logit_softcapping, 50))],
    ['final_logit_softcapping', gguf.float32(capOf(config.final_logit_softcapping, 30))],
  ],
  gemma3: (config) => [window(config), ...pattern(config, 6), ...localBase(config)],
  phi3: (config) => [
    rotaryWidth(config),
    window(config),
    ['rope.scaling.original_context_length', gguf.uint32(originalContext(config))],
  ],
};

function originalContext(config: LanguageConfig): number {
  return (
    config.original_max_position_embeddings ??
    ropeOf(config).parameters.original_max_position_embeddings ??
    config.max_position_embeddings
  );
}

function ropeScaling(config: LanguageConfig): Entries {
  const { type, parameters } = ropeOf(config);
  const factor = ['rope.scaling.factor', gguf.float32(parameters.factor ?? 1)] as const;
  if (type === 'linear') return [['rope.scaling.type', gguf.text('linear')], factor];
  if (type === 'yarn')
    return [
      ['rope.scaling.type', gguf.text('yarn')],
      factor,
      ['rope.scaling.original_context_length', gguf.uint32(originalContext(config))],
    ];
  return type === 'longrope'
    ? [['rope.scaling.attn_factor', gguf.float32(longRopeAttention(config))]]
    : [];
}

/** √(1 + ln(max / original) / ln(original)), unless the file says it. */
function longRopeAttention(config: LanguageConfig): number {
  const { factor, attention_factor: given } = ropeOf(config).parameters;
  const ratio = factor ?? config.max_position_embeddings / originalContext(config);
  return (
    given ?? (ratio > 1 ? Math.sqrt(1 + Math.log(ratio) / Math.log(originalContext(config))) : 1)
  );
}

/**
 * Tensors that stand for the scaling of rotary frequencies: each frequency is divided by its
 * factor.
 */
export function ropeTensors(config: LanguageConfig): { name: string; data: Float32Array }[] {
  const { type, theta, parameters } = ropeOf(config);
  if (type === 'llama3')
    return [{ name: 'rope_freqs.weight', data: llama3Factors(theta, headDim(config), parameters) }];
  if (type !== 'longrope') return [];
  return [
    { name: 'rope_factors_long.weight', data: Float32Array.from(parameters.long_factor ?? []) },
    { name: 'rope_factors_short.weight', data: Float32Array.from(parameters.short_factor ?? []) },
  ];
}

/** Llama 3.1: long waves are slowed by `factor`, short ones stay, between them a ramp. */
function llama3Factors(
  theta: number,
  dim: number,
  rope: ReturnType<typeof ropeOf>['parameters'],
): Float32Array {
  const {
    factor = 8,
    low_freq_factor: low = 1,
    high_freq_factor: high = 4,
    original_max_position_embeddings: original = 8192,
  } = rope;
  return Float32Array.from({ length: dim / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / dim);
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** Kinds of scaling that only one architecture reads. */
const onlyIn: Readonly<Record<string, GgufFamily['architecture']>> = {
  llama3: 'llama',
  longrope: 'phi3',
};

function ropeProblems(config: LanguageConfig, { architecture }: GgufFamily): Problem[] {
  const { type, parameters } = ropeOf(config);
  const known = ['default', 'linear', 'llama3', 'yarn', 'longrope'];
  if (!known.includes(type))
    return [
      problem(
        'rope_scaling',
        `rotary scaling "${type}" does not exist in llama.cpp (it has ${known.join(', ')})`,
      ),
    ];
  if ((onlyIn[type] ?? architecture) !== architecture)
    return [problem('rope_scaling', `llama.cpp's ${architecture} has no rotary scaling "${type}"`)];
  const {
    attention_factor: attention,
    beta_fast: fast,
    beta_slow: slow,
    mscale,
    mscale_all_dim: all,
    truncate,
  } = parameters;
  const isOwn =
    type === 'yarn' &&
    ((attention ?? null) !== null ||
      (fast ?? 32) !== 32 ||
      (slow ?? 1) !== 1 ||
      Boolean(mscale && all) ||
      truncate === false);
  return isOwn
    ? [
        problem(
          'rope_scaling',
          'yarn with its own attention_factor, beta_fast, beta_slow, mscale or truncate is not written as GGUF',
        ),
      ]
    : [];
}

const withoutBias = new Set<string>(['qwen3', 'gemma2', 'gemma3']);

function familyProblems(config: LanguageConfig, family: GgufFamily): Problem[] {
  const problems: Problem[] = [];
  const act = config.hidden_activation ?? config.hidden_act ?? family.activation;
  if (act !== family.activation)
    problems.push(
      problem(
        'hidden_act',
        `llama.cpp computes ${config.model_type} with ${family.activation}, not ${act}`,
      ),
    );
  if (config.use_sliding_window === true)
    problems.push(
      problem('use_sliding_window', `llama.cpp's ${family.architecture} has no sliding window`),
    );
  if (config.attention_bias === true && withoutBias.has(family.architecture))
    problems.push(
      problem('attention_bias', `llama.cpp's ${family.architecture} has no bias of o_proj`),
    );
  if (family.normShift === 1) problems.push(...gemmaProblems(config, family));
  return problems;
}

function gemmaProblems(config: LanguageConfig, { architecture }: GgufFamily): Problem[] {
  const problems: Problem[] = [];
  const usual = architecture === 'gemma2' ? 2 : 6;
  if (periodOf(config, usual) === undefined)
    problems.push(
      problem(
        'layer_types',
        'llama.cpp has full attention in every n-th layer, and a window in the others',
      ),
    );
  if (architecture === 'gemma2' && config.tie_word_embeddings === false)
    problems.push(
      problem('tie_word_embeddings', "llama.cpp's gemma2 has no output layer of its own"),
    );
  if (
    architecture === 'gemma3' &&
    (config.attn_logit_softcapping || config.final_logit_softcapping)
  )
    problems.push(problem('attn_logit_softcapping', "llama.cpp's gemma3 has no caps"));
  return problems;
}

/**
 * What queries are multiplied with in Gemma's files: llama.cpp divides scores by √(channels of a
 * head), in the largest models by √(channels / heads), not by √query_pre_attn_scalar. 1 for models
 * that Google published.
 */
export function queryFactor(config: QueryConfig): number {
  const largest = { gemma2: 46, gemma3: 62, gemma3_text: 62 }[config.model_type];
  if (largest === undefined) return 1;
  const channels =
    config.num_hidden_layers === largest
      ? config.hidden_size / config.num_attention_heads
      : headDim(config);
  return Math.sqrt(channels / (config.query_pre_attn_scalar ?? 256));
}

export type QueryConfig = Pick<
  LanguageConfig,
  | 'model_type'
  | 'num_hidden_layers'
  | 'hidden_size'
  | 'num_attention_heads'
  | 'head_dim'
  | 'query_pre_attn_scalar'
>;

function problem(key: string, what: string): Problem {
  return {
    where: `config.json ${key}`,
    what,
    fix: 'This model cannot run in llama.cpp as it is; use the safetensors folder.',
  };
}
