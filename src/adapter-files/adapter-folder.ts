// The folder of a language model's adapter, whoever wrote it: the one reader that evaluation,
// merging, exports and training share.

import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from '../checkpoints/model-folder.ts';
import { CheckpointError, ofAdapter } from '../errors.ts';
import { requireAdapterFolder } from './adapter-levels.ts';
import { readMlxFolder } from './mlx.ts';
import { readPeftFolder, type PeftFolder } from './peft-folder.ts';

const keys = z.looseObject({
  peft_type: z.unknown().optional(),
  fine_tune_type: z.unknown().optional(),
  lora_parameters: z.unknown().optional(),
});

/**
 * Reads PEFT's folder, or mlx-lm's. Throws AdapterError for any other, for what is not plain
 * LoRA, and for incomplete pairs. Ask `fitProblems` whether it belongs to a base.
 */
export const readAdapterFolder = (given: string): PeftFolder => ofAdapter(() => readAny(given));

function readAny(given: string): PeftFolder {
  const folder = requireAdapterFolder(given);
  const path = join(folder, 'adapter_config.json');
  const found = keys.safeParse(readJsonFile(path)).data;
  if (found?.peft_type !== undefined) return readPeftFolder(folder);
  if (found?.fine_tune_type !== undefined || found?.lora_parameters !== undefined)
    return readMlxFolder(folder);
  throw new CheckpointError([
    {
      where: path,
      what: "it is neither PEFT's, which has a peft_type, nor mlx-lm's, which has lora_parameters",
      fix: 'Name the folder of an adapter that PEFT, mlx-lm or lora train wrote.',
    },
  ]);
}
