// A LoRA for pictures of any format, as the modules of one base model.

import { AdapterError, type Problem } from '../errors.ts';
import { plainModules, type AdapterFile } from './adapter-file.ts';
import { modulePaths } from './kohya.ts';
import { throwProblems, type LoraWeights } from './lora.ts';
import { openAdapter } from './open-adapter.ts';

export interface PictureLora {
  /** With the effective scale as alpha / rank. */
  readonly modules: readonly LoraWeights[];
  readonly file: AdapterFile;
  /** Names of tensors that belong to no module, such as a trainer's. */
  readonly leftovers: readonly string[];
}

/**
 * Reads a file or a folder. `paths`: the module paths of the base model. Throws AdapterError that
 * lists the modules the model does not have, and as `openAdapter`.
 */
export function readPictureLora(given: string, paths: Iterable<string>): PictureLora {
  const file = openAdapter(given);
  if (file.of === 'language')
    throw new AdapterError([
      {
        where: given,
        what: 'this is an adapter of a language model, not for pictures',
        fix: 'Name the LoRA of a Stable Diffusion model.',
      },
    ]);
  const all = new Set(paths);
  const byName = modulePaths(all);
  const modules = file.modules.map((module) => ({
    ...module,
    path: byName.get(module.name) ?? module.path,
  }));
  throwProblems(
    modules.flatMap(({ name, path = '' }): Problem[] =>
      all.has(path)
        ? []
        : [
            {
              where: `${given} ${name}`,
              what: 'the base model has no such module: the LoRA belongs to another architecture',
              fix: 'Name a LoRA of this base model, or its own base model.',
            },
          ],
    ),
  );
  const { leftovers } = file;
  return { file, leftovers, modules: plainModules(given, modules) };
}
