// Whether a language model's adapter and a base belong together: asked before anything is merged,
// exported, answered or trained on.

import type { Problem } from '../errors.ts';
import type { Shape } from '../tensor/tensor.ts';
import type { AdapterTargets, LanguageLora } from './language-lora.ts';
import { shapeProblem, type LoraWeights } from './lora.ts';

export interface Base {
  /** The base's folder, for messages. */
  readonly path: string;
  readonly config: { readonly model_type: string };
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
}

/** Where they do not fit: layers that the base does not have, other sizes, missing pairs. */
export function fitProblems(base: Base, lora: LanguageLora): Problem[] {
  const { modules, targets } = lora;
  const misfits = modules.flatMap((module) => misfit(base, module));
  return misfits.length > 0 || targets === undefined
    ? misfits
    : missingPairs(base, modules, targets);
}

function misfit({ tensors, path, config }: Base, module: LoraWeights): Problem[] {
  const weight = tensors.get(`${module.path}.weight`);
  const where = `${path} ${module.path}`;
  if (weight === undefined && module.path === 'lm_head')
    return [
      {
        where,
        what: 'the output layer shares the weights of the input embeddings, so an adapter of it alone has no place in this model',
        fix: 'Train again without lm_head in target_modules.',
      },
    ];
  if (weight === undefined)
    return [
      {
        where,
        what: 'the base model has no such layer',
        fix: `The base is ${config.model_type} with ${layerCount(tensors)} layers: name the model that the adapter was trained on.`,
      },
    ];
  const problem = shapeProblem(module.down, module.up) ?? sizesProblem(weight.shape, module);
  return problem === undefined
    ? []
    : [{ where, what: problem, fix: 'Name the model that the adapter was trained on.' }];
}

function layerCount(tensors: Base['tensors']): number {
  const indices = [...tensors.keys()].flatMap((name) => /\.layers\.(\d+)\./.exec(name)?.[1] ?? []);
  return new Set(indices).size;
}

function sizesProblem(shape: Shape, { down, up }: LoraWeights): string | undefined {
  if (shape.length === 2 && shape[0] === up.shape[0] && shape[1] === down.shape[1])
    return undefined;
  return `its weight is [${shape.join(', ')}], but the adapter is for [${up.shape[0]}, ${down.shape[1]}]`;
}

/** Layers that the configuration names without weights in the file: it would act without them. */
function missingPairs(
  { tensors, path: base }: Base,
  modules: readonly LoraWeights[],
  targets: AdapterTargets,
): Problem[] {
  const present = new Set(modules.map(({ path }) => path));
  const missing = [...tensors]
    .filter(([name, { shape }]) => name.endsWith('.weight') && shape.length === 2)
    .map(([name]) => name.slice(0, -'.weight'.length))
    .filter((path) => !HEADS.includes(path) && !present.has(path) && isTarget(path, targets));
  if (missing.length === 0) return [];
  const shown = missing.slice(0, 3).join(', ');
  const rest = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return [
    {
      where: `${targets.where} target_modules`,
      what: `the adapter has no weights for ${shown}${rest}, which its configuration names`,
      fix: `Its file is incomplete: copy it again. Or it is for another base model: name one other than ${base}.`,
    },
  ];
}

/** Layers that adapters are seldom on, and that share their weights where they are. */
const HEADS: readonly string[] = ['lm_head', 'model.embed_tokens'];

/** PEFT's rules: a list of names that paths end with, or one regular expression of whole paths. */
function isTarget(path: string, { target, exclude, layers }: AdapterTargets): boolean {
  const index = /\.layers\.(\d+)\./.exec(path)?.[1];
  if (layers !== undefined && (index === undefined || !layers.includes(Number(index))))
    return false;
  return matches(path, target) && !(exclude !== undefined && matches(path, exclude));
}

function matches(path: string, names: string | readonly string[]): boolean {
  if (typeof names !== 'string')
    return names.some((name) => path === name || path.endsWith(`.${name}`));
  if (names === 'all-linear') return true;
  try {
    return new RegExp(`^(?:${names})$`).test(path);
  } catch {
    return false; // Python's expressions are not all JavaScript's; then nothing is known
  }
}
