// What a kind of training must provide. The trainer knows nothing else of pictures, texts or
// models.

import type { LoadedConfig } from '../config/load.ts';
import type { ConfigKey, TrainConfig } from '../config/schema.ts';
import type { Graph } from '../graph/graph.ts';
import type { RecordedData } from '../runs/samples.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Weights } from '../tensor/weights.ts';
import type { EvaluatedEvent } from '../eval/result.ts';
import type { TellNarrowing } from '../adapter-files/narrowing.ts';
import type {
  DoneEvent,
  PhaseEvent,
  PlanEvent,
  SampleEvent,
  ValidationEvent,
  ForgettingEvent,
  VerdictEvent,
  WarningEvent,
} from '../events.ts';
import type { Duration } from '../account/duration.ts';
import type { Forgetting } from './forgetting.ts';
import type { History } from './history.ts';
import type { LookSchedule } from './look-schedule.ts';
import type { ParameterGroup } from './optimiser.ts';
import type { StartingPoint } from './starting-point.ts';
import type { PlanFacts } from './plan-check.ts';
import type { MicroBatch, ProgramsOptions } from './programs.ts';

/** What a task says while it works. */
export type TaskEvent =
  | PhaseEvent
  | WarningEvent
  | SampleEvent
  | ValidationEvent
  | VerdictEvent
  | ForgettingEvent
  | EvaluatedEvent;

export interface TaskContext {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** The adapter that a new run begins with, where one does. */
  readonly start?: StartingPoint;
  /** Of the run that goes on, where one does. */
  readonly recorded?: RecordedRun;
}

/** What an earlier start of a run has recorded, and another must not decide anew. */
export interface RecordedRun extends RecordedData {
  /** As `OpenTask.decisions`, without those that were made for another backend. */
  readonly decisions?: unknown;
}

/** Where a run ends. */
export interface FinishPoint {
  /** The last one. */
  readonly step: number;
  /** The checkpoint that is offered in place of the last step, by what the verdict says. */
  better(): DoneEvent['best'];
}

/** A kind of training: from a configuration to an opened task. */
export interface Task {
  /** Reads the base model and looks at the data; computes nothing that takes long. */
  open(job: LoadedConfig, context: TaskContext): AsyncGenerator<TaskEvent, OpenTask>;
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
  /** When the run was begun, and its identity. */
  readonly started: Date;
  readonly id: string;
}

export type TaskPlan = Pick<
  PlanEvent,
  | 'samples'
  | 'sampleName'
  | 'shapes'
  | 'adaptedModules'
  | 'memoryEstimate'
  | 'validationEvery'
  | 'microBatch'
  | 'validation'
>;

/** Writes a file of the run, by its name relative to the run folder; returns its path. */
export type Write = (name: string, content: Uint8Array) => string;

/** Work between the steps or after them, tried in small. */
export interface Trial {
  /** Of opening its programs, once. */
  readonly opening: Duration;
  /** Of all of it, each time. */
  readonly whole: Duration;
  /** Of what is done in the same way between the steps, each time. */
  readonly preview?: Duration;
}

/** How a task tries what it does besides the steps. */
export interface Rehearsals {
  /** Before the first step. */
  preparing?(): AsyncGenerator<TaskEvent, Trial>;
  /** Between the steps. */
  validation?(): AsyncGenerator<TaskEvent, Trial>;
  /** After the last step. */
  ending?(): AsyncGenerator<TaskEvent, Trial>;
}

/** Other settings, and the bytes that the run needs with them. */
export interface SmallerRun {
  readonly settings: readonly { readonly key: ConfigKey; readonly value: unknown }[];
  readonly bytes: number;
}

export interface OpenTask extends RecordedData {
  readonly plan: TaskPlan;
  /** Why there is no room for the run where it computes; undefined where there is. */
  readonly lacking?: string;
  /** Optimiser steps in which every sample is seen once (times its repeats). */
  readonly stepsPerEpoch: number;
  /** Keys that have no effect with this model and these data, and why. */
  readonly idle?: PlanFacts['idle'];
  /** What the plan decided, and what changes numbers: another start of the run is given it back. */
  readonly decisions: Readonly<Record<string, unknown>>;
  /** Settings that were not given, and that another run needs for the same numbers. */
  readonly decided?: Partial<TrainConfig>;
  /** The weights that are trained; changed in place as the run goes on. */
  readonly groups: readonly ParameterGroup[];
  /** The weights that are not, by name. */
  readonly frozen: Weights;
  /** The loss, as output `loss`, for one shape of micro-batches. */
  lossGraph(shapeKey: string): Graph;
  /** How the loss is made executable, where the defaults are not meant. */
  readonly programs?: Pick<ProgramsOptions, 'segmentOf' | 'alive' | 'main'>;
  /** Work before the first step. Returns early when the signal is aborted. */
  prepare(): AsyncGenerator<TaskEvent, void>;
  /**
   * The micro-batches of step `step` (0 for the first): a pure function of the seed and the step.
   * To be called after `prepare`.
   */
  batchesAt(step: number): readonly MicroBatch[] | Promise<readonly MicroBatch[]>;
  /** The shapes of those micro-batches; may be called before `prepare`. */
  shapesAt(step: number): readonly string[];
  /** What is done besides the steps, tried in small. */
  readonly rehearsals?: Rehearsals;
  /** Settings that need less memory, with the bytes that each needs, the gentlest first. */
  smaller?(): readonly SmallerRun[];
  /** The files to write, by name relative to the run folder; the first is the adapter. */
  files(at: SavePoint, tell: TellNarrowing): ReadonlyMap<string, Uint8Array>;
  /**
   * Looks at the weights as they are before the first step (0) and after each; `final` after the
   * last.
   */
  watch?(step: number, final: boolean, write: Write): AsyncGenerator<TaskEvent, void>;
  /** When it looks at them; absent where it never does. */
  readonly looks?: Pick<LookSchedule, 'validates' | 'previews'>;
  /** What the looks found. */
  readonly history?: History;
  /** Of a run that goes on from an adapter: the losses on old and new data before and after. */
  readonly forgetting?: Forgetting;
  /**
   * Work after the last step, its files given to `write`, which returns where they are; returns
   * those for people to look at, by what they are.
   */
  finish(write: Write, at: FinishPoint): AsyncGenerator<TaskEvent, ReadonlyMap<string, string>>;
}

export const parameterCount = (groups: readonly ParameterGroup[]): number =>
  groups.reduce(
    (sum, { parameters }) =>
      [...parameters.values()].reduce((part, { data }) => part + data.length, sum),
    0,
  );
