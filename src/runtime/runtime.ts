// The one runtime of a process: a backend, its threads, and the programs that are alive.

import { availableParallelism } from 'node:os';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../tensor/weights.ts';
import { byteLength } from '../tensor/tensor.ts';
import { inTurn } from '../util/in-turn.ts';
import { needed } from '../util/needed.ts';
import type { Backend, Workload } from './backend.ts';
import { SystemError } from '../errors.ts';
import { graphicsAdapters } from './adapters.ts';
import { chooseDevice, withoutCard, type Device } from './devices.ts';
import { liveBytes } from './live-bytes.ts';
import { bind, emit, type Lowered } from './lowering.ts';
import { cpu } from './onnxruntime/cpu.ts';
import { openWebgpu } from './onnxruntime/webgpu.ts';
import { runtimeVersion } from './onnxruntime/session.ts';
import { compileFor, type CompileOptions, type Program } from './program.ts';
import { ProgramCache, type Programs, type Releasable } from './program-cache.ts';
import { BYTES_PER_NODE, type Activations, type Need, type Room } from './room.ts';
import { isHeld } from './weight-plan.ts';
import { WeightStore } from './weight-store.ts';

/** Programs alive at a time, of all users: training, validation and answers of one run. */
const MOST_PROGRAMS = 16;

const greatest = (numbers: readonly number[]): number =>
  numbers.reduce((most, number) => Math.max(most, number), 0);

export class Runtime {
  /** Of ONNX Runtime, e.g. `1.30.0`. */
  readonly version = runtimeVersion;
  readonly #backend: Backend;
  readonly #store: WeightStore;
  /** Of one operator. */
  readonly threads: number;
  readonly #cache = new ProgramCache(MOST_PROGRAMS);

  /**
   * `threads`: of one operator; by default the processors that this process may use. `reason`: why
   * this backend, where the machine decided.
   */
  constructor(
    backend: Backend,
    threads: number = availableParallelism(),
    readonly reason?: string,
  ) {
    this.#backend = backend;
    this.#store = new WeightStore(backend);
    this.threads = threads;
  }

  /** The backend's name, as a run's record has it. */
  get backend(): string {
    return this.#backend.name;
  }

  /** What computes, where it has a name: that of the graphics card. */
  get adapter(): string | undefined {
    return this.#backend.adapter;
  }

  /**
   * Whether it computes in memory of its own, so that what a run takes and gives crosses a bus;
   * else it does in the process's.
   */
  get ownsMemory(): boolean {
    return this.#backend.limits.ownsMemory;
  }

  /** What computes, for people: `cpu, 2 threads`. */
  get description(): string {
    return this.#backend.describe(this.threads);
  }

  /**
   * Lowers, encodes and loads a graph. The same inputs give the same bits at one number of threads.
   */
  compile(graph: Graph, options: CompileOptions): Promise<Program> {
    return this.compileShared([graph], options);
  }

  /** One program for graphs that differ in their shapes alone; see `compileFor`. */
  compileShared(graphs: readonly Graph[], options: CompileOptions): Promise<Program> {
    const opened = { backend: this.#backend, store: this.#store };
    return compileFor(opened, graphs, { ...options, threads: this.threads });
  }

  /** Keeps programs for one user, at most so many; to be released by that user. */
  programs<T extends Releasable = Program>(most: number): Programs<T> {
    return this.#cache.programs(most);
  }

  /** What one run of a graph computes, in bytes. */
  activations(graph: Graph, weights: Weights): Activations {
    const lowered = this.#lower(graph, weights);
    const sizes = lowered.nodes.flatMap(({ outputs }) =>
      outputs.map((name) => {
        const { dtype, shape } = needed(lowered.types, name, 'tensor');
        return byteLength(dtype, shape);
      }),
    );
    const live = greatest(liveBytes(lowered.nodes, lowered));
    const taken = live * this.#backend.bytesPerLiveByte(graph);
    const program = BYTES_PER_NODE * lowered.nodes.length;
    return { live, largest: greatest(sizes), taken, program };
  }

  /** As it will be compiled, its weights in the types in which the backend will hold them. */
  #lower(graph: Graph, weights: Weights): Lowered {
    const bound = bind(graph, weights, this.#backend);
    const held = [...this.#backend.plan(bound)]
      .filter(([, kept]) => isHeld(kept))
      .map(([name, { dtype }]) => {
        const { shape } = needed(bound.weights, name, 'weight');
        return [name, { dtype, shape, release() {} }] as const;
      });
    return emit(bound, new Map(held), this.#backend.emissions);
  }

  /** Whether a run has room where it computes. */
  room(need: Need): Room {
    return this.#backend.room(need);
  }

  /**
   * Bytes that the frozen weights of a graph take outside their files: on a device, and in copies
   * for speed where `workload` has some to spare.
   */
  weightBytes(graph: Graph, weights: Weights, workload?: Workload): number {
    const bound = bind(graph, weights, this.#backend);
    return [...this.#backend.plan(bound, workload)].reduce(
      (sum, [name, { how, dtype }]) =>
        how === 'mapped'
          ? sum
          : sum + byteLength(dtype, needed(bound.weights, name, 'weight').shape),
      0,
    );
  }

  /** Releases the weights that no program reads. */
  trim(): Promise<void> {
    return this.#store.trim();
  }

  /** Releases all programs, their weights, and the device; each also where another cannot be. */
  release(): Promise<void> {
    return inTurn([
      () => this.#cache.release(),
      () => this.#store.release(),
      () => this.#backend.release(),
    ]);
  }
}

export interface RuntimeOptions {
  /** Default auto. */
  readonly device?: Device;
  /** Of one operator; by default the processors that this process may use. */
  readonly threads?: number;
}

/**
 * To be released when the process computes nothing more. Throws SystemError where `webgpu` is asked
 * for and there is no graphics card to compute on.
 */
export async function openRuntime({
  device = 'auto',
  threads,
}: RuntimeOptions = {}): Promise<Runtime> {
  if (device === 'cpu') return cpuRuntime(threads);
  const { card, reason } = chooseDevice(device, await graphicsAdapters());
  if (card === undefined) return new Runtime(cpu, threads, reason);
  try {
    return new Runtime(await openWebgpu(card), threads, reason);
  } catch (error) {
    if (device !== 'auto' || !(error instanceof SystemError)) throw error;
    return new Runtime(cpu, threads, withoutCard(card, error.problems[0].what).reason);
  }
}

/** A runtime on the processor. `reason`: why, where the machine decided. */
export function cpuRuntime(threads?: number, reason?: string): Runtime {
  return new Runtime(cpu, threads, reason);
}
