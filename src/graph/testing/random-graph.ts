// Random small programs: operators one after another on values of small random shapes, smooth
// everywhere and of moderate size, so that finite differences and float32 can be judged.

import { sizeOf } from '../../tensor/tensor.ts';
import { sequence } from '../../util/philox.ts';
import { Builder } from '../builder.ts';
import type { F64Tensor } from '../evaluate.ts';
import type { Graph, Value } from '../graph.ts';
import { draw, type Kind } from './draw.ts';

export interface RandomGraph {
  /** With outputs `y0`, `y1` …: every value that nothing reads. */
  readonly graph: Graph;
  readonly bindings: Readonly<Record<string, F64Tensor>>;
  /** Its float inputs and parameters that an output depends on. */
  readonly wrt: readonly Value[];
}

/** A pure function of the seed. */
export function randomGraph(seed: number, steps = 12): RandomGraph {
  const world = new World(seed);
  const rows = [world.int(1, 3), world.int(1, 4), world.int(1, 4)];
  const picture = [world.int(1, 2), world.int(1, 3), world.int(2, 4), world.int(1, 4)];
  world.leaf(rows);
  world.leaf(world.int(0, 1) === 0 ? picture : [...rows].reverse());
  for (let i = 0; i < steps; i++) world.step();
  return world.finish();
}

class World {
  readonly g = new Builder('random');
  readonly #next: () => number;
  readonly #values: Value[] = [];
  readonly #bindings: Record<string, F64Tensor> = {};

  constructor(readonly seed: number) {
    this.#next = sequence(seed, 1);
  }

  /** A whole number, both ends included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  choose<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)];
  }

  /** A new input. */
  leaf(shape: readonly number[], kind: Kind = 'smooth', below = 1): Value {
    const name = `leaf${Object.keys(this.#bindings).length}`;
    this.#bindings[name] = draw(
      { kind, shape, below },
      this.seed,
      100 + Object.keys(this.#bindings).length,
    );
    const dtype = kind === 'flag' ? 'bool' : kind === 'index' ? 'int32' : 'float32';
    const value = this.g.input(name, dtype, shape);
    if (dtype === 'float32') this.#values.push(value);
    return value;
  }

  step(): void {
    const x = this.choose(this.#values);
    const { shape } = x;
    const fitting = moves.filter(({ when }) => when(shape));
    const y = this.choose(fitting).make(this, x);
    // large values go on smaller
    this.#values.push(
      sizeOf(y.shape) > 64 ? this.g.reduceMean(y, [this.int(0, y.shape.length - 1)], true) : y,
    );
  }

  finish(): RandomGraph {
    const read = new Set(
      this.g.finish().nodes.flatMap(({ inputs }): readonly (Value | undefined)[] => inputs),
    );
    const unread = this.#values.filter(
      (value) => !read.has(value) && !(value.name in this.#bindings),
    );
    unread.forEach((value, i) => this.g.output(`y${i}`, value));
    const graph = this.g.finish();
    const wrt = graph.inputs.filter((value) => value.dtype === 'float32' && read.has(value));
    return { graph, bindings: this.#bindings, wrt };
  }
}

interface Move {
  readonly when: (shape: readonly number[]) => boolean;
  readonly make: (world: World, x: Value) => Value;
}

const always = () => true;
const ofRank = (rank: number) => (shape: readonly number[]) => shape.length === rank;
const atLeast = (rank: number) => (shape: readonly number[]) => shape.length >= rank;
const width = (x: Value) => x.shape[x.shape.length - 1];
const move = (make: Move['make'], when: Move['when'] = always): Move => ({ when, make });
const anyAxis = (world: World, x: Value) => world.int(0, x.shape.length - 1);

/** A shape that broadcasts with that of x: axes missing in front or of length 1. */
function broadcastable(world: World, { shape }: Value): number[] {
  return shape
    .map((dim) => (world.int(0, 2) === 0 ? 1 : dim))
    .slice(world.int(0, shape.length - 1));
}

const onePlusSquare = ({ g }: World, x: Value) => g.add(g.mul(x, x), 1);
const EPSILON = 2 ** -3; // rows that are nearly constant must not be blown up

const elementwise: readonly Move[] = [
  move(({ g }, x) => g.tanh(x)),
  move(({ g }, x) => g.sigmoid(x)),
  move(({ g }, x) => g.sin(x)),
  move(({ g }, x) => g.cos(x)),
  move(({ g }, x) => g.erf(x)),
  move(({ g }, x) => g.exp(g.tanh(x))),
  move((world, x) => world.g.sqrt(onePlusSquare(world, x))),
  move((world, x) => world.g.log(onePlusSquare(world, x))),
  move((world, x) => world.g.reciprocal(onePlusSquare(world, x))),
  move(({ g }, x) => g.gelu(x, 'tanh')),
  move(({ g }, x) => g.swish(x)),
];

const binary: readonly Move[] = [
  move((world, x) => world.g.add(x, world.leaf(broadcastable(world, x)))),
  move((world, x) => world.g.sub(world.leaf(broadcastable(world, x)), x)),
  move((world, x) => world.g.mul(world.g.mul(x, world.leaf(broadcastable(world, x))), 0.5)),
  move((world, x) => world.g.div(world.leaf(broadcastable(world, x)), onePlusSquare(world, x))),
  move((world, x) => world.g.where(world.leaf(broadcastable(world, x), 'flag'), x, world.g.neg(x))),
  move(({ g }, x) => g.mul(g.tanh(x), x)), // read twice
];

const form: readonly Move[] = [
  move((world, x) => {
    const turn = world.int(0, x.shape.length - 1);
    const axes = x.shape.map((_, axis) => axis);
    return world.g.transpose(x, [...axes.slice(turn), ...axes.slice(0, turn)].reverse());
  }),
  move(
    ({ g }, x) => g.reshape(x, [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), width(x)]),
    atLeast(2),
  ),
  move(
    ({ g }, x) => g.reshape(x, [1, ...x.shape]),
    (shape) => shape.length < 4,
  ),
  move(
    ({ g }, x) => g.expand(x, [2, ...x.shape]),
    (shape) => shape.length < 4,
  ),
  move((world, x) => {
    const axis = anyAxis(world, x);
    return world.g.slice(x, axis, -1, -(2 ** 31), -world.int(1, 2));
  }),
  move((world, x) =>
    world.g.pad(
      x,
      [...x.shape, ...x.shape].map(() => world.int(0, 1)),
    ),
  ),
  move((world, x) => world.g.concat([x, world.g.neg(x), world.leaf(x.shape)], anyAxis(world, x))),
  move((world, x) => {
    const axis = anyAxis(world, x);
    return world.g.gather(x, world.leaf([world.int(1, 4)], 'index', x.shape[axis]), axis);
  }),
  move(({ g }, x) => g.resize(x, 2), ofRank(4)),
];

const rows: readonly Move[] = [
  move((world, x) => world.g.reduceMean(x, [anyAxis(world, x)], world.int(0, 1) === 0), atLeast(2)),
  move((world, x) => world.g.mul(world.g.reduceSum(x, [anyAxis(world, x)], true), 0.5)),
  move((world, x) => world.g.softmax(x, anyAxis(world, x))),
  move((world, x) => world.g.logSoftmax(x, anyAxis(world, x))),
  move(
    (world, x) => world.g.layerNorm(x, world.leaf([width(x)]), world.leaf([width(x)]), EPSILON),
    atLeast(2),
  ),
  move((world, x) => world.g.rmsNorm(x, world.leaf([width(x)]), EPSILON), atLeast(2)),
  move(
    (world, x) =>
      world.g.groupNorm(x, world.leaf([x.shape[1]]), world.leaf([x.shape[1]]), 1, EPSILON),
    atLeast(3),
  ),
];

const products: readonly Move[] = [
  move((world, x) => {
    const out = world.int(1, 4);
    return world.g.mul(world.g.linear(x, world.leaf([out, width(x)]), world.leaf([out])), 0.5);
  }, atLeast(2)),
  move(
    (world, x) => world.g.mul(world.g.matMul(x, world.leaf([width(x), world.int(1, 4)])), 0.5),
    atLeast(2),
  ),
  move((world, x) => {
    const weight = world.leaf([world.int(1, 3), x.shape[1], world.int(1, 2), world.int(1, 2)]);
    return world.g.mul(
      world.g.conv(x, weight, undefined, {
        strides: [1, world.int(1, 2)],
        pads: [1, 1, world.int(0, 1), 1],
      }),
      0.5,
    );
  }, ofRank(4)),
  move((world, x) => {
    const keys = world.leaf([x.shape[0], world.int(1, 4), width(x)]);
    return world.g.attention(x, keys, keys, {
      q_num_heads: 1,
      kv_num_heads: 1,
      scale: 0.5,
      is_causal: world.int(0, 1) === 0,
    });
  }, ofRank(3)),
];

const moves: readonly Move[] = [...elementwise, ...binary, ...form, ...rows, ...products];
