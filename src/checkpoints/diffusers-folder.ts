// A Stable Diffusion 1.x model as a diffusers folder: unet/, vae/, text_encoder/, scheduler/, each
// with its config.json.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { failCheckpoint as fail } from '../errors.ts';
import {
  stableDiffusion15,
  type NoiseScheduleConfig,
  type StableDiffusionConfig,
} from '../models/stable-diffusion-config.ts';
import { stableDiffusionParameters } from '../models/parameters.ts';
import { checkConfig } from './check-config.ts';
import type { Described } from './contents.ts';
import { checkWeights } from './check-weights.ts';
import {
  clipTextConfig,
  limits,
  schedulerConfig,
  unetConfig,
  vaeConfig,
} from './diffusers-config.ts';
import { isVaeAttentionWeight, modernVaeKey, textEncoderKey, type Component } from './ldm-keys.ts';
import { leftoverWarnings, refuseLayerExtras } from './leftovers.ts';
import { requireUsableSchedule } from './markers.ts';
import { folderTensors, parseFile } from './model-folder.ts';
import { asMatrix, parametersOf, type StableDiffusionWeights } from './weights.ts';

/**
 * The weights of a diffusers folder under our names (component, dot, name in its file), and its
 * configuration. Throws CheckpointError when a part is missing or damaged, or when it is not an SD
 * 1.x that we implement.
 */
export function loadDiffusersFolder(folder: string): StableDiffusionWeights {
  refuseOtherPipelines(folder);
  const config = readConfigs(folder);
  checkConfig(config, folder);
  const weights = new Map<string, Described>();
  for (const part of ['unet', 'vae', 'text_encoder'] as const) {
    for (const [key, tensor] of folderTensors(join(folder, part))) {
      const name = modernKey(part, key);
      if (name !== undefined)
        weights.set(`${part}.${name}`, isVaeAttentionWeight(name) ? asMatrix(tensor) : tensor);
    }
  }
  const expected = stableDiffusionParameters(config);
  const leftovers = checkWeights(expected, weights, folder);
  refuseLayerExtras(leftovers, expected, folder);
  return {
    layout: 'diffusers',
    path: folder,
    config,
    weights: parametersOf(expected, weights),
    warnings: leftoverWarnings(leftovers, folder),
  };
}

/** The name of today for a tensor of a component's file; undefined for one to be left alone. */
function modernKey(part: Component, key: string): string | undefined {
  if (part === 'vae') return modernVaeKey(key);
  if (part === 'unet') return key;
  return key.endsWith('embeddings.position_ids') ? undefined : textEncoderKey(key);
}

function refuseOtherPipelines(folder: string): void {
  const index = join(folder, 'model_index.json');
  const pipeline = existsSync(index)
    ? parseFile(index, z.object({ _class_name: z.string().default('') }))._class_name
    : '';
  const fix = 'Name a Stable Diffusion 1.x model as base_model.';
  if (/XL/.test(pipeline) || existsSync(join(folder, 'text_encoder_2')))
    fail(folder, 'this is a Stable Diffusion XL model, not Stable Diffusion 1.x', fix);
  if (pipeline !== '' && !/^(Stable|Latent)Diffusion(Img2Img)?Pipeline$/.test(pipeline))
    fail(folder, `this is a ${pipeline}, not a plain Stable Diffusion 1.x model`, fix);
  const parts = ['unet', 'vae', 'text_encoder'].filter((part) => !existsSync(join(folder, part)));
  if (parts.length > 0)
    fail(
      folder,
      `this folder is not a diffusers model: it has no ${parts.map((part) => `${part}/`).join(', ')}`,
      fix,
    );
}

function readConfigs(folder: string): StableDiffusionConfig {
  const unetPath = join(folder, 'unet', 'config.json');
  refuseOtherUNets(unetPath);
  const vaePath = join(folder, 'vae', 'config.json');
  parseFile(unetPath, limits.unet);
  parseFile(vaePath, limits.vae);
  return {
    unet: parseFile(unetPath, unetConfig),
    vae: parseFile(vaePath, vaeConfig),
    textEncoder: parseFile(join(folder, 'text_encoder', 'config.json'), clipTextConfig),
    scheduler: readScheduler(join(folder, 'scheduler', 'scheduler_config.json')),
  };
}

function readScheduler(path: string): NoiseScheduleConfig {
  if (!existsSync(path)) return stableDiffusion15.scheduler;
  parseFile(path, limits.scheduler);
  const schedule = parseFile(path, schedulerConfig);
  requireUsableSchedule(schedule, path);
  return schedule;
}

/** Inpainting and SD 2 are named before their options are refused one by one. */
function refuseOtherUNets(path: string): void {
  const { in_channels, use_linear_projection } = parseFile(
    path,
    z.object({
      in_channels: z.unknown().optional(),
      use_linear_projection: z.unknown().optional(),
    }),
  );
  const fix = 'Name a Stable Diffusion 1.x model as base_model.';
  if (use_linear_projection === true)
    fail(path, 'this is a Stable Diffusion 2.x (or later) model, not Stable Diffusion 1.x', fix);
  if (in_channels === 9 || in_channels === 8)
    fail(
      path,
      `this is an inpainting or image-editing model (in_channels ${in_channels}), not plain Stable Diffusion 1.x`,
      fix,
    );
}
