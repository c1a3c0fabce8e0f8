// What a kind of training must provide. The trainer knows nothing else of pictures, texts or models.

import type { LoadedConfig } from '../config/load.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../runtime/lowering.ts';
import type { PhaseEvent, PlanEvent, SampleEvent, WarningEvent } from './events.ts';
import type { BatchInputs } from './loop.ts';
import type { ParameterGroup } from './optimiser.ts';

/** What a task says while it works. */
export type TaskEvent = PhaseEvent | WarningEvent | SampleEvent;

export interface TaskContext {
  readonly threads: number;
  readonly signal: AbortSignal;
}

/** A kind of training: from a configuration to an opened task. */
export interface Task {
  /** Reads the base model and looks at the data; computes nothing that takes long. */
  open(job: LoadedConfig, context: TaskContext): AsyncGenerator<TaskEvent, OpenTask>;
}

/** One run of the loss graph. */
export interface MicroBatch {
  /** Batches with the same key have the same graph. */
  readonly shapeKey: string;
  readonly inputs: BatchInputs;
}

/** Where a run stands when its weights are written. */
export interface SavePoint {
  /** Optimiser steps done, and the epoch of the last of them, from 1. */
  readonly step: number;
  readonly epoch: number;
  readonly totalSteps: number;
  readonly epochs: number;
  /** True when the run ends here. */
  readonly final: boolean;
  readonly started: Date;
}

export type TaskPlan = Pick<PlanEvent, 'samples' | 'buckets' | 'adaptedModules' | 'memoryEstimate'>;

export interface OpenTask {
  readonly plan: TaskPlan;
  /** Optimiser steps in which every sample is seen once (times its repeats). */
  readonly stepsPerEpoch: number;
  /** The weights that are trained; changed in place as the run goes on. */
  readonly groups: readonly ParameterGroup[];
  /** The weights that are not, by name. */
  readonly frozen: Weights;
  /** The loss, as output `loss`, for one shape of micro-batches. */
  lossGraph(shapeKey: string): Graph;
  /** Work before the first step. Returns early when the signal is aborted. */
  prepare(): AsyncGenerator<TaskEvent, void>;
  /** The micro-batches of step `step` (0 for the first): a pure function of the seed and the step. To be called after `prepare`. */
  batchesAt(step: number): readonly MicroBatch[] | Promise<readonly MicroBatch[]>;
  /** The files to write, by name relative to the run folder; the first is the adapter. */
  files(at: SavePoint): ReadonlyMap<string, Uint8Array>;
  /** Work after the last step, its pictures given to `write`; returns the name of the contact sheet, if there is one. */
  finish(write: (name: string, content: Uint8Array) => string): AsyncGenerator<TaskEvent, string | undefined>;
}

/** A `phase` event. */
export const phase = (name: string, done = 0, total = 0): PhaseEvent => ({ type: 'phase', name, done, total });

export const parameterCount = (groups: readonly ParameterGroup[]): number =>
  groups.reduce((sum, { parameters }) => [...parameters.values()].reduce((part, { data }) => part + data.length, sum), 0);
