// The part that LoRA adds to a layer's result: scale · strength · B A x.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { NodeOf, Value } from '../graph/graph.ts';
import type { OpAttributes } from '../graph/ops.ts';
import { sizeOf, type Shape } from '../tensor/tensor.ts';
import type { ApplyOptions, Place, Strength } from './kind.ts';
import type { AdaptableOp, Layer } from './layers.ts';
import type { LoraModule, LoraSize } from './lora-module.ts';
import { JOINT_SCOPE, loraKeys } from './lora-names.ts';

interface Factors<K extends AdaptableOp> {
  readonly downShape: (weight: Shape, rank: number) => Shape;
  readonly upShape: (weight: Shape, rank: number) => Shape;
  readonly down: (g: Builder, x: Value, a: Value, attributes: OpAttributes[K]) => Value;
  readonly up: (g: Builder, low: Value, b: Value) => Value;
  /** A strength for each of `rank` rows, as it multiplies A x. */
  readonly strengths: (rank: number) => Shape;
}

const factors: { readonly [K in AdaptableOp]: Factors<K> } = {
  Linear: {
    downShape: ([, inputs], rank) => [rank, inputs],
    upShape: ([outputs], rank) => [outputs, rank],
    down: (g, x, a) => g.linear(x, a),
    up: (g, low, b) => g.linear(low, b),
    strengths: (rank) => [rank],
  },
  Conv: {
    downShape: ([, ...rest], rank) => [rank, ...rest],
    upShape: ([outputs], rank) => [outputs, rank, 1, 1],
    down: (g, x, a, attributes) => g.conv(x, a, undefined, attributes),
    up: (g, low, b) => g.conv(low, b, undefined, { strides: [1, 1], pads: [0, 0, 0, 0] }),
    strengths: (rank) => [rank, 1, 1],
  },
};

const operator: { readonly [K in Layer['kind']]: AdaptableOp } = { linear: 'Linear', conv: 'Conv' };

/** The shapes of A and B of a layer. */
function factorShapes(
  { kind, weightShape }: Layer,
  rank: number,
): { readonly down: Shape; readonly up: Shape } {
  const { downShape, upShape } = factors[operator[kind]];
  return { down: downShape(weightShape, rank), up: upShape(weightShape, rank) };
}

export function declareLora(
  g: Builder,
  layer: Layer,
  { rank, alpha }: LoraSize,
  adapter?: string,
): LoraModule {
  const shapes = factorShapes(layer, rank);
  const named = (key: string): string => (adapter === undefined ? key : `${adapter}.${key}`);
  return g.inScope(layer.path, () => ({
    ...layer,
    rank,
    alpha,
    down: g.parameter(named(loraKeys.graph.down), shapes.down),
    up: g.parameter(named(loraKeys.graph.up), shapes.up),
  }));
}

type LoraPlace = Place<LoraModule>;

export function applyLora(
  g: Builder,
  places: readonly LoraPlace[],
  options: ApplyOptions,
): (place: LoraPlace, x: Value) => Value {
  const low = lowProducts(g, places, options);
  return (place, x) => factors[place.node.op].up(g, low(place, x), place.module.up);
}

/** scale · strength · A x of each place, given x as it is now. */
function lowProducts(
  g: Builder,
  places: readonly LoraPlace[],
  options: ApplyOptions,
): (place: LoraPlace, x: Value) => Value {
  const { reads = (_, x) => x } = options;
  const weighed = weighing(g, options);
  const groups = options.together === true && options.reads === undefined ? groupsOf(places) : none;
  const products = new Map<readonly LoraPlace[], Value>();
  return (place, x) => {
    const { module, node } = place;
    const group = groups.get(place) ?? [place];
    if (group.length === 1)
      return weighed(ownProduct(g, reads(g, x, module), module, node), module);
    const of = group.map((one) => one.module);
    const product = products.get(group) ?? weighed(jointProduct(g, x, of), module);
    products.set(group, product);
    const start = of.slice(0, group.indexOf(place)).reduce((sum, { rank }) => sum + rank, 0);
    return g.slice(product, product.shape.length - 1, start, start + module.rank);
  };
}

const none: ReadonlyMap<LoraPlace, readonly LoraPlace[]> = new Map();

/** alpha / rank and, where there is one, the strength, times A x. */
function weighing(g: Builder, { strength }: ApplyOptions) {
  const strengths = strength && strengthInputs(g, strength);
  return (low: Value, module: LoraModule): Value => {
    const { alpha, rank } = module;
    const scaled = alpha === rank ? low : g.mul(low, alpha / rank);
    return strengths === undefined ? scaled : g.mul(scaled, strengths(module));
  };
}

/** Each input once. Throws InternalError where there is neither one strength nor one a row. */
function strengthInputs(g: Builder, strength: (layer: Layer) => Strength) {
  const inputs = new Map<string, Value>();
  return (module: LoraModule): Value => {
    const { input, shape } = strength(module);
    const count = sizeOf(shape);
    if (shape.length > 0 && count !== module.rank)
      throw new InternalError(`${input}: ${count} strengths for rank ${module.rank}`);
    const value = inputs.get(input) ?? g.input(input, 'float32', shape);
    inputs.set(input, value);
    return shape.length === 0
      ? value
      : g.reshape(value, factors[operator[module.kind]].strengths(module.rank));
  };
}

const ownProduct = <K extends AdaptableOp>(
  g: Builder,
  x: Value,
  { down }: LoraModule,
  { op, attributes }: NodeOf<K>,
): Value => factors[op].down(g, x, down, attributes);

/**
 * The linear layers of one module that read the same value and have the same scale, with each of
 * them.
 */
function groupsOf(places: readonly LoraPlace[]): Map<LoraPlace, readonly LoraPlace[]> {
  const groups = new Map<string, LoraPlace[]>();
  for (const place of places.filter(({ module }) => module.kind === 'linear')) {
    const { path, alpha, rank } = place.module;
    const key = `${parentOf(path)} ${place.node.inputs[0].name} ${alpha / rank}`;
    groups.set(key, [...(groups.get(key) ?? []), place]);
  }
  return new Map(
    [...groups.values()].flatMap((group) => group.map((place) => [place, group] as const)),
  );
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));

/** x times the A of all modules, one above the other. */
function jointProduct(g: Builder, x: Value, modules: readonly LoraModule[]): Value {
  return g.inScope(`${parentOf(modules[0].path)}.${JOINT_SCOPE}`, () =>
    g.linear(
      x,
      g.concat(
        modules.map(({ down }) => down),
        0,
      ),
    ),
  );
}
