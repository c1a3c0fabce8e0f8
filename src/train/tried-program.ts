// How long a program takes to open and to run, tried on numbers of no meaning.

import {
  longerBy,
  meanOf,
  stopwatch,
  sumOf,
  timed,
  type Duration,
  type Stopwatch,
} from '../account/duration.ts';
import type { Graph } from '../graph/graph.ts';
import { float32, sizeOf, zeros, type Tensor } from '../tensor/tensor.ts';

export interface TriedProgram {
  readonly opening: Duration;
  /** Each time. */
  readonly run: Duration;
}

/** Runs after the one that opens the program: so many, or as fit into the seconds. */
const RUNS = { atLeast: 2, most: 8, seconds: 2 };

/** `run`: opens the program where it is not open yet. */
export async function triedProgram(
  run: () => Promise<unknown>,
  watch: Stopwatch = stopwatch,
): Promise<TriedProgram> {
  const opened = await timed(run, watch);
  const again: Duration[] = [];
  const isEnough = () =>
    again.length >= RUNS.atLeast &&
    (again.length >= RUNS.most || sumOf(again).clock >= RUNS.seconds);
  while (!isEnough()) again.push(await timed(run, watch));
  const usual = meanOf(again);
  return { opening: longerBy(opened, usual), run: usual };
}

const PLAUSIBLE = 0.1;

/** Numbers of no meaning, but none that would be computed at another speed. */
export const plausibleInputs = ({ inputs }: Graph): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => {
      const size = sizeOf(shape);
      const isFloat = dtype === 'float32';
      return [
        name,
        isFloat ? float32(shape, Array<number>(size).fill(PLAUSIBLE)) : zeros(dtype, shape),
      ];
    }),
  );
