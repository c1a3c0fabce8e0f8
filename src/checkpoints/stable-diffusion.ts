// Opens a Stable Diffusion 1.x base model, whichever layout it has.

import { existsSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CheckpointError, failCheckpoint as fail } from '../errors.ts';
import { codeOf } from '../util/caught.ts';
import { loadDiffusersFolder } from './diffusers-folder.ts';
import { kindOfFile } from './safetensors-file.ts';
import { isUnfinished } from './missing-file.ts';
import { knownMisplaced } from './model-levels.ts';
import { loadSingleFile } from './single-file.ts';
import type { StableDiffusionWeights } from './weights.ts';

export type { StableDiffusionWeights };

export interface LoadOptions {
  /** Take the averaged (EMA) weights of the UNet; only in a single file that has both. */
  readonly useEma?: boolean;
}

/**
 * Reads names, shapes and configuration of a base model; the weights stay in their files. `path`: a
 * .safetensors file, a diffusers folder, or its model_index.json. Throws CheckpointError when it is
 * anything else, or when tensors are missing or of the wrong shape; tensors of something else that
 * lie beside the model are named in its warnings.
 */
export function loadStableDiffusion(
  path: string,
  { useEma = false }: LoadOptions = {},
): StableDiffusionWeights {
  const found = statOf(path);
  if (found === undefined)
    fail(
      path,
      'there is no such file or folder',
      'Check base_model; a relative path starts from the folder the command runs in.',
    );
  if (basename(path) === 'model_index.json') return loadFolder(dirname(path), useEma);
  if (found.isDirectory()) return loadFolder(path, useEma);
  if (isPickle(path)) {
    fail(
      path,
      'this is a Python pickle (.ckpt, .pt, .bin), which can run programs when it is opened, so it is never opened',
      'Look for the .safetensors file of the same model, or convert this one with a tool that you trust.',
    );
  }
  if (isUnfinished(path) || !/\.(safetensors|sft)$/i.test(path)) refuseOther(path);
  return loadSingleFile(path, useEma);
}

/** By its content, where that tells; else by its name. */
function isPickle(path: string): boolean {
  if (!/\.(ckpt|pt|pth|bin)$/i.test(path)) return false;
  const kind = kindOfFile(path);
  return kind === undefined || kind === 'pickle' || kind === 'zip' || kind === 'tar';
}

/** Files of any name are read; other kinds, and folders, are told by names and places. */
function refuseOther(path: string): void {
  const known = knownMisplaced(path, 'Stable Diffusion model');
  if (known !== undefined) throw new CheckpointError([{ where: path, ...known }]);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM')
      fail(path, 'cannot be opened: permission denied', 'Give yourself permission to read it.');
    return undefined; // also a link in a circle, or a name too long
  }
}

/** What a diffusers folder of Stable Diffusion has. */
const parts = ['model_index.json', 'unet'];

function loadFolder(folder: string, useEma: boolean): StableDiffusionWeights {
  if (useEma)
    fail(
      folder,
      'use_ema is only for single-file checkpoints, which can hold both sets of weights',
      'Remove use_ema.',
    );
  if (!parts.some((part) => existsSync(join(folder, part)))) refuseOther(folder);
  return loadDiffusersFolder(realpathSync(folder));
}
