// The folder of a language model's adapter, whoever wrote it: the one reader that evaluation,
// merging, exports and training share.

import { ofAdapter } from '../errors.ts';
import { loadedModules } from './adapter-file.ts';
import { requireAdapterFolder } from './adapter-levels.ts';
import type { PeftFolder } from './language-lora.ts';
import { folderFormat } from './open-adapter.ts';

/**
 * Reads PEFT's folder, or mlx-lm's. Throws AdapterError for any other, for what is not plain
 * LoRA, and for incomplete pairs. Ask `fitProblems` whether it belongs to a base.
 */
export const readAdapterFolder = (given: string): PeftFolder =>
  ofAdapter(() => {
    const folder = requireAdapterFolder(given);
    const [, { open }] = folderFormat(folder);
    const { modules, file, ...rest } = open(folder);
    return { ...rest, modules: loadedModules(file.path, modules) };
  });
