// A LoRA for pictures in one file: the factors under any of the names that programs give them.
// Formats: kohya's sd-scripts 0.10.1, LyCORIS 3, diffusers 0.42 and all before it.

import { lora } from '../adapters/lora.ts';
import { readTensor, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import { leftoverWarnings } from '../checkpoints/leftovers.ts';
import type { Problem } from '../errors.ts';
import { isFloat } from '../tensor/dtype.ts';
import { toFloat32 } from '../tensor/half.ts';
import { sizeOf, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { kindProblems, pictureStartProblems } from './adapter-kinds.ts';
import type { AdapterFile, AdapterFormatName, AdapterModule } from './adapter-file.ts';
import { foldedAlphas } from './folded-alphas.ts';
import { loraMetadata, type StatedScale } from './lora-metadata.ts';
import { COPY, shapeProblem, throwProblems } from './lora.ts';
import { picturePath } from './picture-names.ts';

type Parts = Partial<Record<'down' | 'up' | 'alpha', ExternalTensor>>;

/**
 * Reads the header of such a file; the factors stay in it. Throws AdapterError for what is no plain
 * LoRA and for incomplete modules, one problem for each kind.
 */
export function openPictureFile(
  format: AdapterFormatName,
  file: SafetensorsFile,
  given: string,
): AdapterFile {
  const names = [...file.tensors.keys()];
  throwProblems(kindProblems(names, given));
  throwProblems(pictureStartProblems(file.metadata, given));
  const { parts, leftovers } = sorted(file);
  throwProblems(strayProblems(parts, leftovers, given));
  const stated = loraMetadata(file.metadata, given);
  const folded = foldedAlphas(file.metadata, given);
  const problems: Problem[] = [];
  const modules: AdapterModule[] = [];
  for (const [name, found] of parts) {
    const module = moduleOf(name, found, stated);
    if (typeof module === 'string')
      problems.push({ where: `${given} ${name}`, what: module, fix: COPY });
    else modules.push(withFolded(module, folded));
  }
  if (modules.length + problems.length === 0)
    problems.push({ where: given, what: 'it contains no layers', fix: COPY });
  problems.push(...twiceProblems(modules, given));
  throwProblems(problems);
  return {
    format,
    of: 'pictures',
    path: given,
    files: [file],
    modules,
    metadata: file.metadata,
    leftovers,
    warnings: leftoverWarnings(leftovers, given),
  };
}

function sorted(file: SafetensorsFile): {
  parts: Map<string, Parts>;
  leftovers: string[];
} {
  const parts = new Map<string, Parts>();
  const leftovers: string[] = [];
  for (const [key, tensor] of file.tensors) {
    const found = lora.partOf(key);
    if (found === undefined) leftovers.push(key);
    else parts.set(found.name, { ...parts.get(found.name), [found.part]: tensor });
  }
  return { parts, leftovers };
}

/** Tensors of a module that are neither factor nor alpha: they may change what it does. */
function strayProblems(
  parts: ReadonlyMap<string, Parts>,
  leftovers: readonly string[],
  given: string,
): Problem[] {
  return leftovers
    .filter((key) => parts.has(key.slice(0, key.indexOf('.'))) || hasModuleBefore(key, parts))
    .map((key) => ({
      where: `${given} ${key}`,
      what: 'this tensor belongs to a module of the LoRA, and what it does is not known here',
      fix: 'Choose a plain LoRA, or merge it into its model with the program that made it.',
    }));
}

const hasModuleBefore = (key: string, parts: ReadonlyMap<string, Parts>): boolean =>
  key.split('.').some((_, i, all) => parts.has(all.slice(0, i).join('.')));

/** A module of the file, or what is wrong with it. */
function moduleOf(
  name: string,
  { down, up, alpha }: Parts,
  stated: (path: string) => StatedScale | undefined,
): AdapterModule | string {
  if (down === undefined && up === undefined) return 'incomplete: its alpha alone is there';
  if (down === undefined || up === undefined)
    return `incomplete: ${lora.keys.kohya[down === undefined ? 'down' : 'up']} is missing`;
  const problem =
    [down, up].flatMap(({ dtype }) => (isFloat(dtype) ? [] : [`its numbers are ${dtype}`]))[0] ??
    shapeProblem(down, up);
  if (problem !== undefined) return problem;
  const path = picturePath(name);
  const [rank] = down.shape;
  const module = { name, path, down, up, rank };
  if (alpha !== undefined) {
    if (sizeOf(alpha.shape) !== 1)
      return `its alpha is [${alpha.shape.join(', ')}], not one number`;
    const value = numberIn(readTensor(alpha));
    if (!Number.isFinite(value)) return `its alpha is ${value}, not a finite number`;
    return { ...module, alpha: value, alphaFrom: 'tensor', scale: value / rank };
  }
  const found = stated(path ?? name);
  if (found === undefined) return { ...module, alpha: rank, alphaFrom: 'rank', scale: 1 };
  if (found.rank !== rank)
    return `it has rank ${rank}, but rank ${found.rank} according to lora_adapter_metadata, which decides its scale`;
  const scale = found.alpha / (found.rslora ? Math.sqrt(rank) : rank);
  return { ...module, alpha: found.alpha, alphaFrom: 'metadata', scale };
}

/** diffusers' conversion to kohya's keys writes whole numbers. */
const numberIn = (tensor: Tensor): number =>
  isFloat(tensor.dtype) ? toFloat32(tensor).data[0] : Number(tensor.data[0]);

const withFolded = (
  module: AdapterModule,
  folded: ReadonlyMap<string, AdapterModule['folded']>,
): AdapterModule => {
  const found = folded.get(module.name);
  return found === undefined ? module : { ...module, folded: found };
};

/** Two modules of one layer: a program would take one of them, or the sum. */
function twiceProblems(modules: readonly AdapterModule[], given: string): Problem[] {
  const first = new Map<string, string>();
  return modules.flatMap(({ name, path }) => {
    if (path === undefined) return [];
    const other = first.get(path);
    first.set(path, other ?? name);
    if (other === undefined) return [];
    const what = `the same layer, ${path}, as ${other}: programs take one of them or both`;
    return [{ where: `${given} ${name}`, what, fix: 'Keep one of the two in the file.' }];
  });
}
