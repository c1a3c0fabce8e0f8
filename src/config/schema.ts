// The configuration of a training run as one schema: every key of the YAML file, its limits,
// default and description.
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { adapterOptions } from '../adapters/options.ts';
import { lossOptions } from '../losses/options.ts';
import { optimisers } from '../optim/optimisers.ts';
import { optimOptions } from '../optim/options.ts';
import { devices } from '../runtime/devices.ts';
import { continuedData } from '../util/continued-data.ts';
import { forImages, forTexts, integer, number, text } from '../util/options.ts';
import { costOptions } from './cost-options.ts';
import { datasetOptions } from './dataset-options.ts';
import { textDataOptions } from './text-data-options.ts';
import { validationOptions } from './validation-options.ts';

const modelOptions = {
  task_type: z
    .enum(['image', 'text-generation'])
    .default('image')
    .describe(
      'What is trained: adapters of Stable Diffusion (image) or of a language model (text-generation).',
    ),
  base_model: text().describe(
    'The base model. image: a .safetensors file or a folder in the diffusers layout; text-generation: a Hugging Face folder with config.json, tokenizer.json and .safetensors files.',
  ),
  use_ema: z
    .boolean()
    .default(false)
    .describe('Trains on the EMA weights of a single-file checkpoint that has both.')
    .meta(forImages),
  clip_skip: integer(1, 12)
    .default(1)
    .describe('Which layer of the text encoder is used, counted from the last (1).')
    .meta(forImages),
};

const runOptions = {
  batch_size: integer(1, 4096).default(1).describe('Pictures, or rows of tokens, in a batch.'),
  gradient_accumulation_steps: integer(1, 4096)
    .default(1)
    .describe('Number of batches whose gradients are added up for one step.'),
  epochs: integer(1, 1_000_000)
    .default(10)
    .describe('How often each sample is seen. Ignored when max_train_steps is given.'),
  max_train_steps: integer(1).optional().describe('Length of the run in steps, instead of epochs.'),
  seed: integer(0, 0xffffffff)
    .default(42)
    .describe('The same seed, data and settings give the same adapter.'),
  gradient_checkpointing: z
    .boolean()
    .default(false)
    .describe(
      'Keeps only what goes from layer to layer, and computes each layer a second time for its gradients: less memory, about a fifth more time, the same numbers.',
    )
    .meta(forTexts),
  device: z
    .enum(devices)
    .default('auto')
    .describe(
      'What computes. webgpu: the graphics card, of any maker; cpu: the processor, with num_threads threads; auto: the graphics card where there is one, not one in software, and the run has room on it. docs/devices.md says what each system needs; `lora doctor` what this one has.',
    ),
  num_threads: integer(1, 1024)
    .optional()
    .describe('Number of threads. When absent: as many as there are cores.'),
};

const continueOptions = {
  continue_from: text()
    .optional()
    .describe(
      'An adapter to go on from in a new run: a run of lora-scripts (its folder, name or id, or name@step), or a file or folder of kohya, diffusers, LyCORIS or PEFT. Its ranks, alphas and effect are kept.',
    ),
  continue_data: z
    .string()
    .refine((text) => continuedData(text) !== undefined, {
      error: 'expected new, mixed, or rehearse and a share such as rehearse 20 %',
    })
    .default('mixed')
    .describe(
      'With continue_from: mixed trains all that is in the data; new only what the earlier run had not; rehearse 20 % the new, with so much of the earlier that it is 20 % of all.',
    ),
};

const outputOptions = {
  output_dir: text().describe(
    'Folder of the run: adapters, logs, contact sheet or answers. Created if it does not exist. text-generation: it is also a PEFT folder.',
  ),
  output_name: z
    .string()
    .optional()
    .describe(
      'Name of the adapter file without .safetensors. When absent: the last part of output_dir.',
    )
    .meta(forImages),
  save_steps: integer(0)
    .default(0)
    .describe(
      'An adapter is saved after every so many steps. 0: only at the end. With validation also the best so far.',
    ),
  save_minutes: number(0)
    .default(10)
    .describe(
      'The state of the run, from which it goes on after an interruption, is saved at the least every so many minutes; also with each adapter and at Ctrl+C. 0: only then.',
    ),
  backup_dir: text()
    .optional()
    .describe(
      'Folder on another disk: each adapter is copied there as it is saved, read back, and what a missing disk missed is copied when it is there again. Made where the folder around it exists.',
    ),
  save_precision: z
    .enum(['float16', 'float32', 'bfloat16'])
    .default('float16')
    .describe('Number format of the saved adapter.'),
  tensorboard: z
    .boolean()
    .default(true)
    .describe('Also writes the loss and learning rates as a TensorBoard event file.'),
};

const sampleOptions = {
  sample_prompts: z
    .array(text())
    .default([])
    .describe(
      'Prompts tried at the end without and with the adapter: drawn on a contact sheet, or answered.',
    ),
  sample_negative_prompt: z
    .string()
    .default('')
    .describe('What the drawn pictures should not show.')
    .meta(forImages),
  sample_steps: integer(1, 1000)
    .default(25)
    .describe('Sampling steps of a drawn picture.')
    .meta(forImages),
  sample_cfg: number(0, 100)
    .default(7)
    .describe('Guidance of a drawn picture: how hard it follows its prompt. 1: none.')
    .meta(forImages),
  sample_seed: integer(0, 0xffffffff)
    .optional()
    .describe('Seed of the drawn pictures, or of the answers. When absent: seed.'),
  sample_every: integer(0)
    .default(0)
    .describe(
      'Prompts are also tried after every so many steps: answered, or drawn into a strip over the steps. 0: only at the end.',
    ),
  sample_max_tokens: integer(1, 1 << 16)
    .default(128)
    .describe('Longest answer, in tokens.')
    .meta(forTexts),
  sample_temperature: number(0, 10)
    .default(0)
    .describe('How freely answers are drawn. 0: always the most probable token.')
    .meta(forTexts),
  eval_path: text()
    .optional()
    .describe(
      'Questions with expected answers: at the end the base is compared with the adapter on them, as lora eval does.',
    )
    .meta(forTexts),
  eval_general_path: text()
    .optional()
    .describe('Further questions of another kind, which show what was forgotten.')
    .meta(forTexts),
};

/** The keys in the order of docs and help, by topic. */
export const optionGroups = {
  Model: modelOptions,
  Data: datasetOptions,
  'Text data': textDataOptions,
  Validation: validationOptions,
  Run: runOptions,
  'Going on from an adapter': continueOptions,
  Adapter: adapterOptions,
  Optimiser: optimOptions,
  Loss: lossOptions,
  Output: outputOptions,
  'Trying it out': sampleOptions,
  'What it costs': costOptions,
};

const fields = z.strictObject({
  ...modelOptions,
  ...datasetOptions,
  ...textDataOptions,
  ...validationOptions,
  ...runOptions,
  ...continueOptions,
  ...adapterOptions,
  ...optimOptions,
  ...lossOptions,
  ...outputOptions,
  ...sampleOptions,
  ...costOptions,
});

type Fields = z.output<typeof fields>;

/** Keys that contradict each other. */
function checkTogether(config: Fields, context: z.RefinementCtx): void {
  const say = (key: keyof Fields, message: string, fix: string) =>
    context.addIssue({ code: 'custom', path: [key], message, params: { fix } });
  const nothing = nothingTrained(config);
  if (nothing !== undefined) say(...nothing);
  if (config.conv_rank > 0 && config.conv_alpha === 0)
    say(
      'conv_alpha',
      'expected a number above 0; found 0',
      'Delete the line: it is then conv_rank.',
    );
  const { min_bucket_reso: min, max_bucket_reso: max } = config;
  if (min !== undefined && max !== undefined && min > max) {
    say(
      'min_bucket_reso',
      `${min} is more than max_bucket_reso, ${max}`,
      'Exchange the two, or delete both lines.',
    );
  }
  for (const found of placesTaken(config)) say(...found);
}

/** Folders and files that are to be written where something else is. */
function placesTaken(config: Fields): [keyof Fields, string, string][] {
  const { output_dir, output_name = 'lora', base_model, backup_dir, train_data_dir } = config;
  const outputs = [output_name, 'pytorch_lora_weights'].map((file) =>
    resolve(output_dir, `${file}.safetensors`),
  );
  const found: [boolean, keyof Fields, string, string][] = [
    [
      outputs.includes(resolve(base_model)),
      'output_name',
      'the adapter would take the place of base_model',
      'Choose another name, or another output_dir.',
    ],
    [
      backup_dir !== undefined && isWithin(backup_dir, output_dir),
      'backup_dir',
      'lies in output_dir: what takes the one takes the other',
      'Choose a folder on another disk, or delete the line.',
    ],
    [
      output_dir !== '' && resolve(output_dir) === resolve(train_data_dir),
      'output_dir',
      'must not be train_data_dir: what a run writes would be among the data of the next',
      'Choose a folder of its own, such as ./output/my_lora.',
    ],
  ];
  return found.flatMap(([isTaken, key, what, fix]) => (isTaken ? [[key, what, fix]] : []));
}

/** Whether a path is a folder, or lies in it. */
function isWithin(path: string, folder: string): boolean {
  const from = relative(resolve(folder), resolve(path));
  return from === '' || !(from === '..' || from.startsWith(`..${sep}`) || isAbsolute(from));
}

interface Part {
  readonly wanted: boolean;
  readonly rate: number;
  readonly key: 'unet_lr' | 'text_encoder_lr' | 'learning_rate';
}

/** What may be trained, at which rate, and the key that gives it. */
function partsOf(config: Fields): Part[] {
  const { learning_rate, unet_lr, text_encoder_lr } = config;
  const part = (wanted: boolean, key: 'unet_lr' | 'text_encoder_lr', rate?: number): Part => ({
    wanted,
    rate: rate ?? learning_rate,
    key: rate === undefined ? 'learning_rate' : key,
  });
  if (config.task_type === 'text-generation')
    return [{ wanted: true, rate: learning_rate, key: 'learning_rate' }];
  return [
    part(config.train_unet, 'unet_lr', unet_lr),
    part(config.train_text_encoder, 'text_encoder_lr', text_encoder_lr),
  ];
}

/** The key that leaves nothing to train, and why. */
function nothingTrained(config: Fields): [keyof Fields, string, string] | undefined {
  const parts = partsOf(config);
  if (parts.some(({ wanted, rate }) => wanted && rate > 0)) return undefined;
  const [still] = parts.filter(({ wanted }) => wanted);
  return still === undefined
    ? [
        'train_unet',
        'nothing to train: train_unet and train_text_encoder are both false',
        'Set one of them to true, or delete its line.',
      ]
    : [
        still.key,
        'nothing would be trained at a learning rate of 0',
        'Set it above 0, such as 1e-4, or delete the line to use the default.',
      ];
}

/** A list written with commas; `all` is LLaMA-Factory's word. */
function targetsOf(wanted: Fields['target_modules']): string | readonly string[] {
  if (typeof wanted !== 'string') return wanted;
  if (wanted === 'all') return 'all-linear';
  return /^[\w.-]+(\s*,\s*[\w.-]+)+$/.test(wanted)
    ? wanted.split(',').map((name) => name.trim())
    : wanted;
}

/** Fills in what follows from other keys. */
function derive(config: Fields) {
  const { unet_lr = config.learning_rate, text_encoder_lr = config.learning_rate } = config;
  return {
    ...config,
    lora_alpha: config.lora_alpha ?? config.lora_rank,
    conv_alpha: config.conv_alpha ?? config.conv_rank,
    max_seq_length: config.max_seq_length ?? 512,
    target_modules: targetsOf(config.target_modules),
    train_data:
      config.train_data.length > 0
        ? config.train_data
        : [{ path: config.train_data_dir, weight: 1 }],
    unet_lr,
    text_encoder_lr,
    // what has a rate of 0 stays as it is: it gets no adapters
    train_unet: config.train_unet && unet_lr > 0,
    train_text_encoder: config.train_text_encoder && text_encoder_lr > 0,
    output_name: config.output_name ?? 'lora',
    sample_seed: config.sample_seed ?? config.seed,
    weight_decay: config.weight_decay ?? optimisers[config.optimizer].defaults.weight_decay,
    momentum: config.momentum ?? optimisers[config.optimizer].defaults.momentum,
  };
}

export const trainSchema = fields.superRefine(checkTogether).transform(derive);

/**
 * The keys of the file, with every default filled in. `resolution` and the bucket limits may still
 * wait for the base model.
 */
export type TrainConfig = Readonly<z.output<typeof trainSchema>>;
/** What may be written in the file. */
export type TrainConfigInput = z.input<typeof trainSchema>;
export type ConfigKey = keyof Fields;

/** Whether the key alone may have this value. */
export function accepts(key: string, value: unknown): boolean {
  const shapes: Readonly<Record<string, z.ZodType>> = fields.shape;
  return shapes[key].safeParse(value).success;
}

/** The JSON Schema of one key, as far as reading text, help and docs need it. */
export interface KeySchema {
  readonly type?: string;
  readonly description: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly anyOf?: readonly KeySchema[];
  readonly items?: KeySchema;
  readonly prefixItems?: readonly KeySchema[];
  /** The only task that the key means something to. */
  readonly task?: TaskType;
  /** In words, where the schema alone does not say it. */
  readonly expected?: string;
}

type TaskType = Fields['task_type'];

interface ConfigJsonSchema {
  readonly properties: Readonly<Record<ConfigKey, KeySchema>>;
  readonly required: readonly ConfigKey[];
}

function makeJsonSchema(): ConfigJsonSchema {
  const schema: unknown = z.toJSONSchema(fields, { io: 'input' });
  // zod types a JSON Schema as anything at all; `fields` above says what it holds.
  return schema as ConfigJsonSchema;
}

/** The JSON Schema of the file: for editors, help, docs and the reading of flags. */
export const configJsonSchema = makeJsonSchema();

// The object is made of exactly these keys; Object.keys only promises strings.
export const configKeys = Object.keys(configJsonSchema.properties) as readonly ConfigKey[];
