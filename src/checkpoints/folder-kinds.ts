// The kinds of folders that people give as a base model for pictures and that are not a plain
// Stable Diffusion 1.x, told from the class names in their JSON files, and what to do instead.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { failCheckpoint as fail } from '../errors.ts';
import { inputChannelsNamed, kinds } from './kinds.ts';
import type { Component } from './ldm-keys.ts';
import { parseFile } from './model-folder.ts';

const useSd1 = 'Name a Stable Diffusion 1.x model as base_model.';

/** What is in a folder with other files than unet/, vae/ and text_encoder/. */
const others: readonly (readonly [file: string, what: string, fix: string])[] = [
  [
    'adapter_config.json',
    'this folder is an adapter (PEFT), not a base model',
    `Name the model that it was trained on. ${useSd1}`,
  ],
  [
    'pytorch_lora_weights.safetensors',
    'this folder is a LoRA, not a base model',
    `Name the model that it was trained on. ${useSd1}`,
  ],
  [
    'tokenizer.json',
    'this folder is a language model, not Stable Diffusion 1.x',
    `To train it, set task_type: text-generation. For pictures: ${useSd1}`,
  ],
];

/** Throws CheckpointError that says what a folder is, where it is no plain Stable Diffusion 1.x. */
export function refuseOtherFolders(folder: string): void {
  refuseOtherPipelines(folder);
  const absent = Object.keys(partClasses).filter((part) => !existsSync(join(folder, part)));
  if (absent.length === 0) return;
  const other = others.find(([file]) => existsSync(join(folder, file)));
  if (other !== undefined) fail(folder, other[1], other[2]);
  fail(
    folder,
    `this folder is not a diffusers model: it has no ${absent.map((part) => `${part}/`).join(', ')}`,
    useSd1,
  );
}

function refuseOtherPipelines(folder: string): void {
  const index = join(folder, 'model_index.json');
  const pipeline = existsSync(index)
    ? parseFile(index, z.object({ _class_name: z.string().default('') }))._class_name
    : '';
  if (/XL/.test(pipeline) || existsSync(join(folder, 'text_encoder_2')))
    fail(folder, 'this is a Stable Diffusion XL model, not Stable Diffusion 1.x', useSd1);
  if (/^LatentConsistencyModel/.test(pipeline))
    fail(folder, kinds.latentConsistency.what, kinds.latentConsistency.fix);
  if (pipeline !== '' && !/^(Stable|Latent)Diffusion(Img2Img)?Pipeline$/.test(pipeline))
    fail(folder, `this is a ${pipeline}, not a plain Stable Diffusion 1.x model`, useSd1);
}

interface PartClass {
  /** What the part is called in messages. */
  readonly name: string;
  /** The classes whose weights and configuration are read here. */
  readonly own: readonly string[];
  /** Other classes that people have in this place. */
  readonly known: Readonly<Record<string, string>>;
  readonly fix: string;
}

/** The parts of a diffusers folder by the classes that their config.json names. */
const partClasses: Readonly<Record<Component, PartClass>> = {
  unet: {
    name: 'UNet',
    own: ['UNet2DConditionModel'],
    known: {
      UNet2DModel: 'takes no texts',
      UNet3DConditionModel: 'is made for videos',
      UNetMotionModel: 'is made for videos (AnimateDiff)',
      UNetSpatioTemporalConditionModel: 'is made for videos (Stable Video Diffusion)',
    },
    fix: useSd1,
  },
  vae: {
    name: 'autoencoder',
    own: ['AutoencoderKL'],
    known: {
      AutoencoderTiny: 'is a tiny one (TAESD), made for previews',
      ConsistencyDecoderVAE: 'decodes by a consistency model',
      AsymmetricAutoencoderKL: 'has a decoder that was made larger for inpainting',
      VQModel: 'is one with a codebook',
    },
    fix: 'Put the autoencoder that the model was made with (AutoencoderKL) into vae/.',
  },
  text_encoder: {
    name: 'text encoder',
    // with a projection, which Stable Diffusion 1.x does not use, or without
    own: ['CLIPTextModel', 'CLIPTextModelWithProjection'],
    known: {
      CLIPModel: 'is a whole CLIP, for texts and pictures',
      T5EncoderModel: 'is a T5',
      LDMBertModel: 'is the BERT of the first latent diffusion models',
      RobertaSeriesModelWithTransformation: 'is that of AltDiffusion',
    },
    fix: 'Put the text encoder that the model was made with (CLIPTextModel) into text_encoder/.',
  },
};

/** Throws CheckpointError where a part is of another class than Stable Diffusion 1.x has. */
export function refuseOtherParts(folder: string): void {
  for (const [part, { name, own, known, fix }] of Object.entries(partClasses)) {
    const path = join(folder, part, 'config.json');
    const { _class_name: single, architectures } = parseFile(path, classNames);
    const found = single ?? architectures?.[0];
    if (found === undefined || own.includes(found)) continue;
    const reason = Object.hasOwn(known, found) ? `: it ${known[found]}` : '';
    fail(path, `its ${name} is of class ${found}, not ${own[0]}${reason}`, fix);
  }
  refuseOtherUNets(join(folder, 'unet', 'config.json'));
}

const classNames = z.object({
  _class_name: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
});

/** Told by their options, before these are refused one by one. */
function refuseOtherUNets(path: string): void {
  const options = parseFile(
    path,
    z.object({
      in_channels: z.unknown().optional(),
      use_linear_projection: z.unknown().optional(),
      time_cond_proj_dim: z.unknown().optional(),
    }),
  );
  if ((options.time_cond_proj_dim ?? null) !== null)
    fail(path, kinds.latentConsistency.what, kinds.latentConsistency.fix);
  if (options.use_linear_projection === true)
    fail(path, 'this is a Stable Diffusion 2.x (or later) model, not Stable Diffusion 1.x', useSd1);
  const { in_channels: channels } = options;
  if (typeof channels === 'number' && [5, 7, 8, 9].includes(channels))
    fail(path, inputChannelsNamed(channels), useSd1);
}
