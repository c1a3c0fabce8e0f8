// Dropout of what an adapter reads (Hu et al., arXiv 2106.09685), from random numbers that are
// inputs of the graph.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { sizeOf, type Shape, type Tensor } from '../tensor/tensor.ts';
import { uniforms, type Seed } from '../util/philox.ts';
import { streamOf } from '../util/streams.ts';
import type { Layer } from './layers.ts';

/**
 * Names of the graph's inputs: one number for each token and channel, one for each layer and token.
 */
const CHANNELS = 'dropout_channels';
const LAYERS = 'dropout_layers';

/**
 * What each adapter reads in place of x: 0 with `probability`, else x / (1 − probability). Two
 * inputs of the graph, u [tokens, widest] and v [layers, tokens], multiples of 2⁻²³ in [0, 1),
 * decide: layer l drops channel c of token t where (u_tc + v_lt) mod 1 is within probability / 2 of
 * a whole number. So in each layer all choices are independent, and those of any two layers are
 * too, for no more random numbers than one layer would take.
 */
export function loraDropout(
  graph: Graph,
  layers: readonly Layer[],
  probability: number,
): (g: Builder, x: Value, layer: Layer) => Value {
  const widest = widestOf(layers);
  const index = new Map(layers.map(({ path }, i) => [path, i]));
  let noise: { readonly u: Value; readonly v: Value } | undefined;
  return (g, x, { path }) => {
    const width = x.shape[x.shape.length - 1];
    const tokens = sizeOf(x.shape) / width;
    noise ??= {
      u: g.input(CHANNELS, 'float32', [tokens, widest]),
      v: g.input(LAYERS, 'float32', [layers.length, tokens]),
    };
    const at = index.get(path);
    if (at === undefined || noise.u.shape[0] !== tokens)
      throw new InternalError(`${graph.name}: no dropout for ${path} of ${tokens} tokens`);
    const row = g.reshape(g.slice(noise.v, 0, at, at + 1), [tokens, 1]);
    const sum = g.add(g.slice(noise.u, 1, 0, width), row); // [0, 2), exact in float32
    // distance of the sum from the nearest of 0, 1 and 2 is 0.5 − ||sum − 1| − 0.5|
    const kept = g.less(g.abs(g.sub(g.abs(g.sub(sum, 1)), 0.5)), 0.5 - probability / 2);
    return g.where(g.reshape(kept, x.shape), g.mul(x, 1 / (1 - probability)), 0);
  };
}

/** The two inputs for micro-batch `index`, counted through the run. */
export function dropoutInputs(
  { layers, tokens }: { readonly layers: readonly Layer[]; readonly tokens: number },
  seed: Seed,
  index: number,
): Record<string, Tensor> {
  const drawn = (purpose: number, shape: Shape): Tensor => {
    const u = uniforms(
      seed,
      streamOf('dropout', 2 * index + purpose),
      new Float64Array(sizeOf(shape)),
    );
    return {
      dtype: 'float32',
      shape,
      data: Float32Array.from(u, (x) => Math.floor(x * 2 ** 23) * 2 ** -23),
    };
  };
  return {
    [CHANNELS]: drawn(0, [tokens, widestOf(layers)]),
    [LAYERS]: drawn(1, [layers.length, tokens]),
  };
}

const widestOf = (layers: readonly Layer[]): number =>
  Math.max(...layers.map(({ weightShape }) => weightShape[1]));
