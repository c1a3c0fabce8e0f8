// The one runtime of a process: a backend, its threads, and the programs that are alive.

import { availableParallelism } from 'node:os';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../tensor/weights.ts';
import { byteLength } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';
import type { Backend, WeightOptions } from './backend.ts';
import type { Device } from './devices.ts';
import { liveBytes } from './live-bytes.ts';
import { lower, place } from './lowering.ts';
import { cpu } from './onnxruntime/cpu.ts';
import { runtimeVersion } from './onnxruntime/session.ts';
import { compileFor, type CompileOptions, type Program } from './program.ts';
import { ProgramCache, type Programs, type Releasable } from './program-cache.ts';
import type { Keeping } from './weight-plan.ts';
import { WeightStore } from './weight-store.ts';

/** Programs alive at a time, of all users: training, validation and answers of one run. */
const MOST_PROGRAMS = 16;

export class Runtime {
  /** Of ONNX Runtime, e.g. `1.30.0`. */
  readonly version = runtimeVersion;
  readonly #backend: Backend;
  readonly #store: WeightStore;
  readonly #threads: number | undefined;
  readonly #cache = new ProgramCache(MOST_PROGRAMS);

  /** `threads`: of one operator; by default the machine's cores. */
  constructor(backend: Backend, threads?: number) {
    this.#backend = backend;
    this.#store = new WeightStore(backend);
    this.#threads = threads;
  }

  /** The backend's name, as a run's record has it. */
  get backend(): string {
    return this.#backend.name;
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

  /** The most bytes of computed tensors that one run of a graph holds at a time. */
  activationBytes(graph: Graph, weights: Weights): number {
    const lowered = lower(graph, weights, this.#backend);
    return liveBytes(lowered.nodes, lowered).reduce((most, bytes) => Math.max(most, bytes), 0);
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

  /** Releases all programs, and their weights. */
  async release(): Promise<void> {
    await this.#cache.release();
    await this.#store.trim();
  }
}

const backends: { readonly [D in Device]: Backend } = { auto: cpu, cpu };

export interface RuntimeOptions {
  /** Default auto. */
  readonly device?: Device;
  /** Of one operator; by default the machine's cores. */
  readonly threads?: number;
}

/** To be released when the process computes nothing more. */
export function openRuntime({ device = 'auto', threads }: RuntimeOptions = {}): Runtime {
  return new Runtime(backends[device], threads);
}

/** A runtime on the processor. */
export function cpuRuntime(threads?: number): Runtime {
  return new Runtime(cpu, threads);
}
