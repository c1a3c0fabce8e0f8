// What bench/gpu.ts measures: models by their configuration alone, the shapes of their batches, and
// which comes first where time is short.

import { configFile as tinyLlama } from '../../models/tiny-llm/config.ts';
import { tinyStableDiffusion } from '../../models/tiny-sd/config.ts';
import { languageFamilies } from '../../src/models/language-families.ts';
import { qwen, smolLM2 } from '../../src/models/public-language-models.test-util.ts';
import type { LanguageModelConfig } from '../../src/models/language-config.ts';
import {
  stableDiffusion15,
  type StableDiffusionConfig,
} from '../../src/models/stable-diffusion-config.ts';

export interface ImageModel {
  readonly kind: 'image';
  readonly title: string;
  readonly config: StableDiffusionConfig;
  /** Latents along one side. */
  readonly side: number;
  readonly rank: number;
}

export interface TextModel {
  readonly kind: 'text';
  readonly title: string;
  readonly config: LanguageModelConfig;
  /** `config.json`, for PyTorch's side. */
  readonly file: Readonly<Record<string, unknown>>;
  /** Tokens of a row. */
  readonly length: number;
  readonly rank: number;
}

export type BenchModel = ImageModel | TextModel;

/** Tokens of a caption. */
export const CAPTION = 77;

const tinyQwen = {
  ...qwen,
  vocab_size: 2048,
  hidden_size: 128,
  intermediate_size: 320,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};

const text = (
  title: string,
  file: Readonly<Record<string, unknown>> & { readonly model_type: string },
  length: number,
): TextModel => {
  const config = languageFamilies[file.model_type].config.parse(file);
  return { kind: 'text', title, config, file, length, rank: 16 };
};

export const sizes = ['full', 'small'] as const;
export type Size = (typeof sizes)[number];
export const modelNames = ['sd15', 'smollm2', 'qwen'] as const;
export type ModelName = (typeof modelNames)[number];

/** `small` is the same on a machine without a card: everything but the sizes. */
export const models: { readonly [S in Size]: { readonly [M in ModelName]: BenchModel } } = {
  full: {
    sd15: { kind: 'image', title: 'SD 1.5 512px', config: stableDiffusion15, side: 64, rank: 12 },
    smollm2: text('SmolLM2-135M', smolLM2, 512),
    qwen: text('Qwen2.5-0.5B', qwen, 512),
  },
  small: {
    sd15: { kind: 'image', title: 'tiny SD 64px', config: tinyStableDiffusion, side: 16, rank: 12 },
    smollm2: text('tiny Llama', tinyLlama, 128),
    qwen: text('tiny Qwen', tinyQwen, 128),
  },
};

export interface Case {
  readonly model: ModelName;
  readonly batch: number;
  /** Whether the text encoder is trained, too; of pictures alone. */
  readonly textEncoder: boolean;
}

/** In the order in which they are measured: where time is short the later ones are dropped. */
export const cases: readonly Case[] = [
  { model: 'sd15', batch: 1, textEncoder: false },
  { model: 'qwen', batch: 1, textEncoder: false },
  { model: 'sd15', batch: 4, textEncoder: false },
  { model: 'smollm2', batch: 1, textEncoder: false },
  { model: 'sd15', batch: 1, textEncoder: true },
  { model: 'qwen', batch: 4, textEncoder: false },
  { model: 'smollm2', batch: 4, textEncoder: false },
  { model: 'sd15', batch: 4, textEncoder: true },
];

/** As the command line names it: `sd15-b4-text`. */
export const caseId = ({ model, batch, textEncoder }: Case): string =>
  `${model}-b${batch}${textEncoder ? '-text' : ''}`;

/** As the table names it. */
export function caseTitle({ model, batch, textEncoder }: Case, size: Size): string {
  const one = models[size][model];
  const shape = one.kind === 'text' ? `${batch}x${one.length}` : `b${batch}`;
  return `${one.title} ${shape}${textEncoder ? ' +text' : ''}`;
}
