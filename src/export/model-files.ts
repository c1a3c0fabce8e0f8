// A language model's folder as the merge takes it: of any family, as its weights are files and
// tensors only; of a family that is known, what is not part of the model is told.

import { join } from 'node:path';
import { z } from 'zod';
import { languageModelFolder, loadLanguageModel } from '../checkpoints/hf-folder.ts';
import { folderFiles, parseFile } from '../checkpoints/model-folder.ts';
import {
  openAnySafetensors,
  openSafetensors,
  type SafetensorsFile,
} from '../checkpoints/safetensors-file.ts';
import type { Problem } from '../errors.ts';
import { languageFamilies } from '../models/language-families.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';

/** What config.json says of the weights, whatever the family. */
const kindSchema = z.object({
  model_type: z.string().default('an unknown type'),
  quantization_config: z.unknown().optional(),
});

export interface ModelFiles {
  /** The folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: z.infer<typeof kindSchema>;
  /** The safetensors files, in the order of their names. */
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, ExternalTensor>;
  /** Tensors that are not part of the model. */
  readonly warnings: readonly Problem[];
}

/**
 * Opens a folder with config.json and one or more safetensors files. A model of a known family is
 * checked as for training, and may have tensors of any type beside it. Throws CheckpointError.
 */
export function openModelFiles(folder: string): ModelFiles {
  const path = languageModelFolder(folder);
  const config = parseFile(join(path, 'config.json'), kindSchema);
  const isKnown = Object.hasOwn(languageFamilies, config.model_type) && !isQuantized(config);
  const files = folderFiles(path, isKnown ? openAnySafetensors : openSafetensors);
  return {
    path,
    config,
    files,
    tensors: new Map(files.flatMap(({ tensors }) => [...tensors])),
    warnings: isKnown ? loadLanguageModel(path).leftovers : unknownFamily(path, config),
  };
}

/** Whether its other weights are whole is then not known. */
function unknownFamily(path: string, config: ModelFiles['config']): Problem[] {
  if (isQuantized(config)) return [];
  const what = `${config.model_type} is none of the types known here, so nothing but the layers of the adapter was checked`;
  return [{ where: `${join(path, 'config.json')} model_type`, what }];
}

/** Such a model is refused by that name. */
export const isQuantized = ({ quantization_config: config }: ModelFiles['config']): boolean =>
  (config ?? null) !== null;
