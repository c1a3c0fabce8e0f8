// The one runtime of a process: a backend, its threads, and the programs that are alive.

import { availableParallelism } from 'node:os';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../tensor/weights.ts';
import { byteLength } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';
import type { Backend, WeightOptions } from './backend.ts';
import { SystemError } from '../errors.ts';
import { graphicsAdapters } from './adapters.ts';
import { chooseDevice, type Device } from './devices.ts';
import { liveBytes } from './live-bytes.ts';
import { lower, place } from './lowering.ts';
import { cpu } from './onnxruntime/cpu.ts';
import { openWebgpu } from './onnxruntime/webgpu.ts';
import { runtimeVersion } from './onnxruntime/session.ts';
import { compileFor, type CompileOptions, type Program } from './program.ts';
import { ProgramCache, type Programs, type Releasable } from './program-cache.ts';
import type { Keeping } from './weight-plan.ts';
import { WeightStore } from './weight-store.ts';

/** Programs alive at a time, of all users: training, validation and answers of one run. */
const MOST_PROGRAMS = 16;

/** Of one run of a graph, in bytes. */
export interface Activations {
  /** The most that all computed tensors take at a time. */
  readonly live: number;
  /** Of the largest of them. */
  readonly largest: number;
}

/** Bytes of a device's memory for each byte of live activations; not measured on a card yet. */
const PER_LIVE_BYTE = 1.25;
/** Share of a device's memory that a run may count on. */
const USABLE = 0.9;

const greatest = (numbers: readonly number[]): number =>
  numbers.reduce((most, number) => Math.max(most, number), 0);

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

export class Runtime {
  /** Of ONNX Runtime, e.g. `1.30.0`. */
  readonly version = runtimeVersion;
  readonly #backend: Backend;
  readonly #store: WeightStore;
  readonly #threads: number | undefined;
  readonly #cache = new ProgramCache(MOST_PROGRAMS);

  /**
   * `threads`: of one operator; by default the machine's cores. `reason`: why this backend, where
   * the machine decided.
   */
  constructor(
    backend: Backend,
    threads?: number,
    readonly reason?: string,
  ) {
    this.#backend = backend;
    this.#store = new WeightStore(backend);
    this.#threads = threads;
  }

  /** The backend's name, as a run's record has it. */
  get backend(): string {
    return this.#backend.name;
  }

  /** What computes, where it has a name: that of the graphics card. */
  get adapter(): string | undefined {
    return this.#backend.adapter;
  }

  get threads(): number {
    return this.#threads ?? availableParallelism();
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
    return compileFor(opened, graphs, { ...options, threads: this.#threads });
  }

  /** Keeps programs for one user, at most so many; to be released by that user. */
  programs<T extends Releasable = Program>(most: number): Programs<T> {
    return this.#cache.programs(most);
  }

  /** What one run of a graph computes, in bytes. */
  activations(graph: Graph, weights: Weights): Activations {
    const lowered = lower(graph, weights, this.#backend);
    const sizes = lowered.nodes.flatMap(({ outputs }) =>
      outputs.map((name) => {
        const { dtype, shape } = needed(lowered.types, name, 'tensor');
        return byteLength(dtype, shape);
      }),
    );
    return { live: greatest(liveBytes(lowered.nodes, lowered)), largest: greatest(sizes) };
  }

  /**
   * What a run holds where it computes, besides its process: bytes of frozen weights, and of
   * activations with what the allocator keeps. Undefined where that is the process's own memory.
   */
  deviceBytes({ live }: Activations, weights: number): number | undefined {
    return this.#backend.limits.ownsMemory ? weights + PER_LIVE_BYTE * live : undefined;
  }

  /** Whether `lacking` knows how much memory there is. */
  get knowsMemory(): boolean {
    return this.#backend.limits.memory !== undefined;
  }

  /** Why a run has no room where it computes; undefined where it has. */
  lacking(activations: Activations, weights: number): string | undefined {
    const { memory, largestTensor } = this.#backend.limits;
    const bytes = this.deviceBytes(activations, weights);
    if (activations.largest > largestTensor)
      return `one tensor of this run takes ${gibibytes(activations.largest)}, more than the ${gibibytes(largestTensor)} that ${this.description} takes at once`;
    if (memory === undefined || bytes === undefined || bytes <= USABLE * memory) return undefined;
    return `this run takes about ${gibibytes(bytes)} of memory, too much for the ${gibibytes(memory)} of ${this.description}`;
  }

  /** What the frozen weights of a graph take outside their files, by how they are kept. */
  weightBytes(graph: Graph, weights: Weights, options: WeightOptions = {}): Map<Keeping, number> {
    const placed = place(graph, weights, this.#backend);
    const bytes = new Map<Keeping, number>();
    for (const [name, { how, dtype }] of this.#backend.plan(placed, options))
      bytes.set(
        how,
        (bytes.get(how) ?? 0) + byteLength(dtype, needed(placed.weights, name, 'weight').shape),
      );
    return bytes;
  }

  /** Releases the weights that no program reads. */
  trim(): Promise<void> {
    return this.#store.trim();
  }

  /** Releases all programs, their weights, and the device. */
  async release(): Promise<void> {
    await this.#cache.release();
    await this.#store.release();
    await this.#backend.release();
  }
}

export interface RuntimeOptions {
  /** Default auto. */
  readonly device?: Device;
  /** Of one operator; by default the machine's cores. */
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
    return new Runtime(cpu, threads, `${card.name}: ${error.problems[0].what}`);
  }
}

/** A runtime on the processor. `reason`: why, where the machine decided. */
export function cpuRuntime(threads?: number, reason?: string): Runtime {
  return new Runtime(cpu, threads, reason);
}
