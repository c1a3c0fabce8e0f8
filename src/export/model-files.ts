// A language model's folder as the merge takes it: of any family, as its weights are files and
// tensors only.

import { join } from 'node:path';
import { z } from 'zod';
import { languageModelFolder } from '../checkpoints/hf-folder.ts';
import { folderFiles, parseFile } from '../checkpoints/model-folder.ts';
import type { SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';

/** What config.json says of the weights, whatever the family. */
const kindSchema = z.object({
  model_type: z.string().default('a model of unknown type'),
  quantization_config: z.unknown().optional(),
});

export interface ModelFiles {
  /** The folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: z.infer<typeof kindSchema>;
  /** The safetensors files, in the order of their names. */
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, ExternalTensor>;
}

/** Opens a folder with config.json and one or more safetensors files. Throws CheckpointError. */
export function openModelFiles(folder: string): ModelFiles {
  const path = languageModelFolder(folder);
  const files = folderFiles(path);
  return {
    path,
    config: parseFile(join(path, 'config.json'), kindSchema),
    files,
    tensors: new Map(files.flatMap(({ tensors }) => [...tensors])),
  };
}
