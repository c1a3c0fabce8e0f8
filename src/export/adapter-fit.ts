// Whether a language model's adapter and a base belong together: asked before anything is merged,
// exported, answered or trained on.

import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import type { ExternalTensor, Shape } from '../tensor/tensor.ts';
import { plural } from '../util/plural.ts';
import { needed } from '../util/needed.ts';
import { problemsByKind, type FoundProblem } from '../util/problems-by-kind.ts';
import { fullMatch } from '../util/python-regexp.ts';
import type { AdapterTargets, LanguageLora, StoredLora } from '../adapter-files/language-lora.ts';
import { shapeProblem, throwProblems, type LoraWeights } from '../adapter-files/lora.ts';
import { plainLora, type OnLayer } from './start.ts';

export interface Base {
  /** The base's folder, for messages. */
  readonly path: string;
  readonly config: { readonly model_type: string };
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape }>;
}

/**
 * The adapter as plain LoRA on this base. `weights`: of the base, read for an adapter that took a
 * part out of them (PiSSA, OLoRA), which `onLayer` follows. Throws CheckpointError, one problem for
 * each kind, where the two do not belong together.
 */
export function fitted(
  base: Base,
  lora: StoredLora,
  weights: ReadonlyMap<string, ExternalTensor>,
  onLayer?: OnLayer,
): LanguageLora {
  throwProblems(problemsByKind(fitProblems(base, lora)));
  const problems: FoundProblem[] = [];
  const weightOf = (path: string) =>
    readFloat32(needed(weights, `${path}.weight`, 'weight of the base'));
  const tell = (path: string, what: string) => {
    problems.push({ where: path, what, kind: 'start', fix: NO_START });
  };
  const plain = plainLora(lora, weightOf, tell, onLayer);
  throwProblems(problemsByKind(problems));
  return plain;
}

const NO_START =
  'Name the base model that the adapter was trained on. If it is this one: convert the adapter where it was trained, with save_pretrained(…, path_initial_model_for_weight_conversion=…) of PEFT.';

/** Where they do not fit: layers that the base does not have, other sizes, missing pairs. */
function fitProblems(base: Base, lora: StoredLora): FoundProblem[] {
  const { modules, targets } = lora;
  const misfits = modules.flatMap((module) => misfit(base, module));
  if (misfits.length > 0 || targets === undefined) return misfits;
  const isNamed = isTarget(targets);
  return isNamed === undefined
    ? []
    : [
        ...missingPairs(base, modules, targets, isNamed),
        ...unnamedPairs(modules, targets, isNamed),
      ];
}

function misfit({ tensors, path, config }: Base, module: LoraWeights): FoundProblem[] {
  const weight = tensors.get(`${module.path}.weight`);
  const where = module.path;
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
        fix: `The base, ${path}, is ${config.model_type} with ${plural(layerCount(tensors), 'layer')}: name the model that the adapter was trained on.`,
      },
    ];
  const problem = shapeProblem(module.down, module.up) ?? sizesProblem(weight.shape, module);
  return problem === undefined
    ? []
    : [
        {
          where,
          what: problem,
          kind: 'sizes',
          fix: `Name the model that the adapter was trained on in place of ${path}.`,
        },
      ];
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
  isNamed: (path: string) => boolean,
): FoundProblem[] {
  const present = new Set(modules.map(({ path }) => path));
  const missing = [...tensors]
    .filter(([name, { shape }]) => name.endsWith('.weight') && shape.length === 2)
    .map(([name]) => name.slice(0, -'.weight'.length))
    .filter((path) => !HEADS.includes(path) && !present.has(path) && isNamed(path));
  if (missing.length === 0) return [];
  const shown = missing.slice(0, 3).join(', ');
  const rest = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return [
    {
      where: `${targets.where} ${targets.key}`,
      what: `the adapter has no weights for ${shown}${rest}, which its configuration names`,
      fix: `Its file is incomplete: copy it again. Or it is for another base model: name one other than ${base}.`,
    },
  ];
}

/** Layers with weights in the file that the configuration does not name: PEFT leaves them out. */
function unnamedPairs(
  modules: readonly LoraWeights[],
  { where, key, program }: AdapterTargets,
  isNamed: (path: string) => boolean,
): FoundProblem[] {
  return modules
    .filter(({ path }) => !isNamed(path))
    .map(({ path }) => ({
      where: path,
      what: `its weights are in the file, but ${where} does not name it, and ${program} leaves such layers out`,
      fix: `If the adapter was trained on it, add it to ${key} there; otherwise copy the adapter again.`,
    }));
}

/** Layers that adapters are seldom on, and that share their weights where they are. */
const HEADS: readonly string[] = ['lm_head', 'model.embed_tokens'];

/**
 * PEFT's rules: a list of names that paths end with, or one regular expression of whole paths.
 * Undefined where an expression is Python's alone: then nothing is known.
 */
function isTarget({ target, exclude, layers = [] }: AdapterTargets) {
  const isNamed = matcher(target);
  const isExcluded = exclude === undefined ? () => false : matcher(exclude);
  if (isNamed === undefined || isExcluded === undefined) return undefined;
  const isChosen = (path: string) => {
    const index = /\.layers\.(\d+)\./.exec(path)?.[1];
    return layers.length === 0 || (index !== undefined && layers.includes(Number(index)));
  };
  return (path: string) => isNamed(path) && isChosen(path) && !isExcluded(path);
}

function matcher(names: string | readonly string[]): ((path: string) => boolean) | undefined {
  if (typeof names !== 'string')
    return (path) => names.some((name) => path === name || path.endsWith(`.${name}`));
  if (names.toLowerCase() === 'all-linear') return (path) => !HEADS.includes(path);
  const expression = fullMatch(names);
  return expression === undefined ? undefined : (path) => expression.test(path);
}
