// A Stable Diffusion 1.x model as a diffusers folder: unet/, vae/, text_encoder/, scheduler/, each
// with its config.json.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
import { refuseOtherFolders, refuseOtherParts } from './folder-kinds.ts';
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
  refuseOtherFolders(folder);
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

function readConfigs(folder: string): StableDiffusionConfig {
  refuseOtherParts(folder);
  const unetPath = join(folder, 'unet', 'config.json');
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
