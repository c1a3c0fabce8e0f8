// Weights to begin training from nothing with: PyTorch's and diffusers' defaults for the UNet and
// the autoencoder, transformers' for CLIP and for language models.
//
// diffusers leaves convolutions and linear layers at PyTorch's default, U(±1/sqrt(fan in)) for
// weight and bias, and zeroes none of them in these models. transformers draws CLIP's from normal
// distributions.

import { InternalError } from '../errors.ts';
import type { ValueType } from '../graph/graph.ts';
import { sizeOf, type Shape } from '../tensor/tensor.ts';
import { normals, uniforms, type Seed } from '../util/philox.ts';
import { streamOfName } from '../util/streams.ts';

type Named = ValueType & { readonly name: string };

/** How the numbers of one weight are drawn. */
type Law =
  { readonly constant: number } | { readonly deviation: number } | { readonly bound: number };

/** What a rule may look at. */
interface Weight {
  readonly name: string;
  readonly shape: Shape;
  readonly all: ReadonlyMap<string, Shape>;
}

/**
 * Weights for `parameters` (a graph's), by name. The numbers of one weight depend on the seed and
 * its name alone, not on which others there are.
 */
export function initialWeights(
  parameters: readonly Named[],
  seed: Seed,
): Map<string, Float32Array> {
  const all = new Map(parameters.map(({ name, shape }) => [name, shape]));
  return new Map(
    parameters.map(({ name, shape }) => [
      name,
      draw(lawOf({ name, shape, all }), name, shape, seed),
    ]),
  );
}

function draw(law: Law, name: string, shape: Shape, seed: Seed): Float32Array {
  const out = new Float32Array(sizeOf(shape));
  if ('constant' in law) return out.fill(law.constant);
  if ('deviation' in law)
    return normals(seed, streamOfName(name), out).map((x) => x * law.deviation);
  uniforms(seed, streamOfName(name), out);
  return out.map((u) => (2 * u - 1) * law.bound);
}

function lawOf(weight: Weight): Law {
  const rule = rules.find(({ pattern }) => pattern.test(weight.name));
  return rule === undefined ? pyTorchDefault(weight) : rule.law(weight);
}

/**
 * U(±1/sqrt(fan in)); 1 and 0 for the scale and the bias of a normalization, whose weight has one
 * axis.
 */
function pyTorchDefault({ name, shape, all }: Weight): Law {
  const isBias = name.endsWith('.bias');
  const weight = isBias ? all.get(name.replace(/bias$/, 'weight')) : shape;
  if (weight === undefined)
    throw new InternalError(`${name} has no weight beside it to tell its fan-in`);
  return weight.length === 1
    ? { constant: isBias ? 0 : 1 }
    : { bound: 1 / Math.sqrt(fanIn(weight)) };
}

/**
 * transformers' PreTrainedModel._init_weights with initializer_range 0.02 for language models, and
 * CLIPPreTrainedModel._init_weights with initializer_factor 1; the first pattern that fits counts.
 */
const rules: readonly { readonly pattern: RegExp; readonly law: (weight: Weight) => Law }[] = [
  {
    pattern: /^(lm_head|model\.embed_tokens|model\.layers\..*_proj)\.weight$/,
    law: () => ({ deviation: 0.02 }),
  },
  { pattern: /^model\.layers\..*_proj\.bias$/, law: () => ({ constant: 0 }) },
  { pattern: /\.(token|position)_embedding\.weight$/, law: () => ({ deviation: 0.02 }) },
  { pattern: /\.(self_attn\.\w+_proj|mlp\.fc[12])\.bias$/, law: () => ({ constant: 0 }) },
  {
    pattern: /\.self_attn\.out_proj\.weight$/,
    law: ({ shape }) => ({ deviation: shape[0] ** -0.5 }),
  },
  { pattern: /\.self_attn\.[qkv]_proj\.weight$/, law: residualLaw },
  { pattern: /\.mlp\.fc1\.weight$/, law: ({ shape }) => ({ deviation: (2 * shape[1]) ** -0.5 }) },
  { pattern: /\.mlp\.fc2\.weight$/, law: residualLaw },
];

/** 1 / sqrt(width · 2 · layers). */
function residualLaw({ shape, all }: Weight): Law {
  const layers = [...all.keys()].filter((name) => name.endsWith('.mlp.fc1.weight')).length;
  return { deviation: (shape[0] * 2 * layers) ** -0.5 };
}

function fanIn(weight: Shape): number {
  return sizeOf(weight.slice(1));
}
