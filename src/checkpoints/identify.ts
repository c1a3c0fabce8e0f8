// What kind of model a safetensors file holds, told from its tensors, where it is not SD 1.x.

import { CheckpointError } from '../errors.ts';
import type { Contents } from './contents.ts';
import { kinds, type Kind, type KindName, type When } from './kinds.ts';

/**
 * The kind of a file. `whole`: it has all tensors of Stable Diffusion 1.x, so that only what makes
 * these compute otherwise is looked for. undefined: it is Stable Diffusion 1.x, or a damaged one.
 */
export function kindOf(file: Contents, whole: boolean): KindName | undefined {
  const sought = soughtKinds(file, whole);
  // Object.keys forgets that the names are those of the table
  return (Object.keys(kinds) as KindName[]).find(
    (name) => sought.includes(kinds[name].when) && kinds[name].matches(file),
  );
}

function soughtKinds(file: Contents, whole: boolean): readonly When[] {
  if (whole) return ['whole'];
  if (!file.anyPart()) return ['whole', 'unlike', 'partial', 'foreign'];
  return file.absentParts().length === 0 ? ['whole', 'unlike'] : ['whole', 'unlike', 'partial'];
}

/** What to say of a file of this kind. */
export function kindError(name: KindName, file: Contents, path: string): CheckpointError {
  const { what, fix }: Kind = kinds[name];
  return new CheckpointError([
    { where: path, what: typeof what === 'string' ? what : what(file), fix },
  ]);
}
