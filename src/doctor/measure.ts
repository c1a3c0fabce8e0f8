// How fast a runtime is here and now: chains of products and of convolutions inside one graph, so
// that neither transfers nor the pages of new memory count, and bytes to and from a device.

import { Builder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/graph.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { float32 } from '../tensor/tensor.ts';

/** Rates in operations or bytes a second; 0 where there was no time to measure them. */
export interface Rates {
  /** Of float32 products. */
  readonly products: number;
  /** Of 3×3 convolutions in float32. */
  readonly convolutions: number;
  /** Of a sum of two tensors, read and written. */
  readonly memory: number;
  /** Over the bus; absent where the runtime computes in the processor's memory. */
  readonly toDevice?: number;
  readonly fromDevice?: number;
}

/** What is measured: a runtime, or a test's idea of one. */
export type Measurable = Pick<Runtime, 'ownsMemory' | 'compile'>;

export type Clock = () => number;

export interface MeasureOptions {
  /** Milliseconds for all of it; the first run of a graph, which prepares it, is not cut short. */
  readonly budget: number;
  /** Milliseconds; by default performance.now. */
  readonly clock?: Clock;
}

/** A graph with one small result, and what a run of it does. */
interface Chain {
  readonly graph: Graph;
  readonly work: number;
}

/** Links of a chain. */
const LINKS = 4;

/** Milliseconds of a run in which what goes with every run does not count. */
const ENOUGH = 100;

/** Rises from a size for software to one that fills a large card. */
const products = [256, 512, 1024, 2048, 4096].map((side) => () => productChain(side));
const convolutions = [
  [1, 64, 16],
  [1, 128, 32],
  [1, 320, 64],
  [4, 320, 64],
  [16, 320, 64],
].map(
  ([batch, channels, side]) =>
    () =>
      convolutionChain(batch, channels, side),
);
const sums = [20, 22, 24, 26].map((log) => () => sumChain(2 ** log));

/** A tensor all of one number, which is an input: nothing is to be known before the run. */
const filled = (g: Builder, shape: readonly number[], value: number): Value =>
  g.expand(g.mul(g.input(`s${value}`, 'float32', []), value), shape);

function chain(name: string, work: number, build: (g: Builder) => Value): Chain {
  const g = new Builder(name);
  g.output('y', corner(g, build(g)));
  return { graph: g.finish(), work };
}

/** One element of a tensor. */
const corner = (g: Builder, x: Value): Value =>
  x.shape.reduce<Value>((part, _, axis) => g.slice(part, axis, 0, 1), x);

const links = (first: Value, next: (x: Value) => Value): Value =>
  Array.from({ length: LINKS }).reduce<Value>((x) => next(x), first);

const productChain = (side: number): Chain =>
  chain('products', LINKS * 2 * side ** 3, (g) => {
    const weight = filled(g, [side, side], 1 / side);
    return links(filled(g, [side, side], 1), (x) => g.linear(x, weight));
  });

const convolutionChain = (batch: number, channels: number, side: number): Chain =>
  chain('convolutions', LINKS * 2 * batch * side ** 2 * channels ** 2 * 9, (g) => {
    const weight = filled(g, [channels, channels, 3, 3], 1 / (9 * channels));
    const same = { strides: [1, 1], pads: [1, 1, 1, 1] } as const;
    return links(filled(g, [batch, channels, side, side], 1), (x) =>
      g.conv(x, weight, undefined, same),
    );
  });

const sumChain = (length: number): Chain =>
  chain('sums', LINKS * 3 * 4 * length, (g) => {
    const one = filled(g, [length], 1);
    return links(filled(g, [length], 2), (x) => g.add(x, one));
  });

/** Each part may use its share of the time; the rest of it goes to the next. */
export async function measure(runtime: Measurable, options: MeasureOptions): Promise<Rates> {
  const clock = options.clock ?? (() => performance.now());
  const end = clock() + options.budget;
  const share = (part: number): number => clock() + (end - clock()) * part;
  const rising = (steps: readonly (() => Chain)[], part: number): Promise<number> =>
    highestRate(runtime, steps, { clock, end: share(part) });
  const rates = {
    products: await rising(products, 0.35),
    convolutions: await rising(convolutions, 0.55),
    memory: await rising(sums, 0.5),
  };
  if (!runtime.ownsMemory) return rates;
  return { ...rates, ...(await transferRates(runtime, clock)) };
}

interface Patience {
  readonly clock: Clock;
  readonly end: number;
}

/**
 * Of the smallest chain, then of the largest that is expected to end in time, and again while that
 * is a larger one: the more there is to do, the higher the rate.
 */
async function highestRate(
  runtime: Measurable,
  steps: readonly (() => Chain)[],
  { clock, end }: Patience,
): Promise<number> {
  const chains = steps.map((step) => step());
  let [best, next] = [0, 0];
  while (next >= 0) {
    const { graph, work } = chains[next];
    const { first, shortest } = await timed(runtime, graph, { clock, end });
    best = Math.max(best, (1000 * work) / Math.max(shortest, 1e-3));
    const left = end - clock() - Math.max(0, first - shortest);
    const fits = chains.findLastIndex((chain) => (RUNS * 1000 * chain.work) / best < left);
    next = shortest < ENOUGH && fits > next ? fits : -1;
  }
  return best;
}

interface Times {
  /** Of the first run, which prepares. */
  readonly first: number;
  /** Of those after it. */
  readonly shortest: number;
}

/** Runs of a chain, the first one among them. */
const RUNS = 4;

/** Milliseconds; as many runs as there is time for, at least two. */
async function timed(runtime: Measurable, graph: Graph, { clock, end }: Patience): Promise<Times> {
  const given = Object.fromEntries(graph.inputs.map(({ name }) => [name, float32([], [1])]));
  const began = clock();
  const program = await runtime.compile(graph, { weights: new Map(), keepsMemory: true });
  const times: number[] = [];
  try {
    do {
      const start = times.length === 0 ? began : clock();
      await program.run(given);
      times.push(clock() - start);
    } while (times.length < 2 || (times.length < RUNS && clock() + Math.min(...times) < end));
  } finally {
    await program.release();
  }
  const [first, ...others] = times;
  return { first, shortest: Math.min(...others) };
}

/** Floats that go over the bus: 32 MiB. */
const TRANSFERRED = 2 ** 23;

/** One direction at a time; what a run without a large tensor takes is subtracted. */
async function transferRates(
  runtime: Measurable,
  clock: Clock,
): Promise<Required<Pick<Rates, 'toDevice' | 'fromDevice'>>> {
  const small = await transfer(runtime, clock, 1, 1);
  const [to, from] = [
    await transfer(runtime, clock, TRANSFERRED, 1),
    await transfer(runtime, clock, 1, TRANSFERRED),
  ];
  const rate = (time: number): number => (4000 * TRANSFERRED) / Math.max(time - small, 1e-3);
  return { toDevice: rate(to), fromDevice: rate(from) };
}

/** Milliseconds of a run that takes `given` floats and gives `got`. */
async function transfer(
  runtime: Measurable,
  clock: Clock,
  given: number,
  got: number,
): Promise<number> {
  const g = new Builder('transfer');
  const first = g.slice(g.input('x', 'float32', [given]), 0, 0, 1);
  g.output('y', g.expand(g.mul(first, 2), [got]));
  const program = await runtime.compile(g.finish(), { weights: new Map() });
  const x = float32([given], new Float32Array(given).fill(1));
  try {
    let shortest = Infinity;
    for (let i = 0; i < 4; i++) {
      const start = clock();
      await program.run({ x });
      shortest = Math.min(shortest, clock() - start);
    }
    return shortest;
  } finally {
    await program.release();
  }
}
