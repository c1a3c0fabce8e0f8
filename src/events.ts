// What long work says while it goes on: the one interface between it (training, evaluation) and
// whoever watches (terminal, log, studio, API). Every event is plain data, so it passes unchanged
// between threads and processes and into JSON.

import type { Problem } from './errors.ts';

/** What the run is going to do, once, before any work. */
export interface PlanEvent {
  readonly type: 'plan';
  /** The run folder. */
  readonly outputDir: string;
  /** The base model as the user named it. */
  readonly baseModel: string;
  /** Distinct samples in the data set, before repeats. */
  readonly samples: number;
  /** What one is called: `picture`, `sequence`. */
  readonly sampleName: string;
  /**
   * The shapes that batches come in, in words (`64×64`, `up to 128 tokens`), and how many samples
   * (with repeats) have each.
   */
  readonly shapes: readonly { readonly label: string; readonly count: number }[];
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly epochs: number;
  /** Optimiser steps of the whole run, and the step it starts from (more than 0 when resumed). */
  readonly totalSteps: number;
  readonly firstStep: number;
  /** Where an earlier start of the run was cut short, and this one goes on. */
  readonly resumed?: {
    /** 2 for the second start of the run. */
    readonly start: number;
    /** Settings that have another value from here on, in words. */
    readonly changes: readonly string[];
    /** Of the next step, by group, where a change concerns them. */
    readonly learningRates?: Readonly<Record<string, number>>;
  };
  readonly trainableParameters: number;
  /** Number of layers that carry an adapter. */
  readonly adaptedModules: number;
  /** Bytes the run is expected to need, when known. */
  readonly memoryEstimate?: number;
  /** Seconds the run is expected to take, when known. */
  readonly secondsEstimate?: number;
  /** What computes: `cpu, 2 threads`. */
  readonly device: string;
  /** Why that, where the machine decided. */
  readonly deviceReason?: string;
  /** What is looked at between the steps, how often, and what that takes, as a phrase. */
  readonly validation?: string;
  /** The most samples that go through the model at once. */
  readonly microBatch?: number;
  /** Steps from one validation to the next; absent where nothing is held back. */
  readonly validationEvery?: number;
}

/**
 * Work before or after the steps: `loading the base model`, `caching latents`, `drawing the contact
 * sheet`.
 */
export interface PhaseEvent {
  readonly type: 'phase';
  /** Lower-case participle phrase, the same text through the whole phase. */
  readonly name: string;
  readonly done: number;
  /**
   * 0 when the amount of work is not known. The phase is over when done = total, or when another
   * event type or name comes.
   */
  readonly total: number;
}

/** Something the user should know but that does not stop the run. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly problem: Problem;
}

/** One optimiser step is done. */
export interface StepEvent {
  readonly type: 'step';
  /** 1 after the first step. */
  readonly step: number;
  readonly totalSteps: number;
  /** 1 in the first epoch. */
  readonly epoch: number;
  readonly epochs: number;
  /** Loss of this step, averaged over its accumulated batches. */
  readonly loss: number;
  /** Whether no weight was changed, because the loss or the gradient was not finite. */
  readonly skipped?: boolean;
  /** Moving mean of the losses up to this step. */
  readonly lossAverage: number;
  /** By group of parameters: `unet`, `text_encoder`. */
  readonly learningRates: Readonly<Record<string, number>>;
  /** L2 norm of all gradients before clipping. */
  readonly gradNorm: number;
  /** Wall seconds of recent steps: a moving mean. NaN as long as nothing is known. */
  readonly secondsPerStep: number;
  /** Until the run is over, as far as is known; NaN as long as nothing is. */
  readonly secondsLeft: number;
  /** Resident bytes of the training process now. */
  readonly memoryBytes: number;
}

/** An adapter was written, whole and in place. */
export interface SavedEvent {
  readonly type: 'saved';
  readonly step: number;
  readonly files: readonly string[];
  /** Saved because it is the best by now. */
  readonly isBest?: boolean;
  /** What the number format could not hold, where anything was lost or written wider. */
  readonly notes?: readonly string[];
}

/** A preview was made: a picture was drawn, or a prompt answered. */
export interface SampleEvent {
  readonly type: 'sample';
  readonly step: number;
  readonly prompt: string;
  /** Of a picture. */
  readonly file?: string;
  /** Of a picture: the training picture that it is most like. */
  readonly nearest?: NearestPicture;
  /** Of a text: what the model answers with the adapter, and, at the end, without it. */
  readonly answer?: string;
  readonly baseAnswer?: string;
}

/** How like a picture is to the nearest of the training pictures. */
export interface NearestPicture {
  /** Of that picture, relative to its folder. */
  readonly name: string;
  /** 1: the same picture; about 0: nothing in common. */
  readonly likeness: number;
  /** More like it than the training pictures are to each other. */
  readonly isCopy: boolean;
}

/** The loss on what is held back. */
export interface ValidationEvent {
  readonly type: 'validation';
  /** Steps done; 0 before the first. */
  readonly step: number;
  /** Of texts: mean over all trained tokens, in nats. Of pictures: mean of the weighted errors. */
  readonly loss: number;
  /** The same on some of what is trained, measured the same way. */
  readonly trainLoss: number;
  /** What `loss` is the mean of, in an order that is the same at every look. */
  readonly losses: readonly number[];
  /** Of texts: e^loss. */
  readonly perplexity?: number;
  /** Of texts: tokens that count. */
  readonly tokens?: number;
  /** Of pictures. */
  readonly pictures?: ImageLosses;
}

export interface ImageLosses {
  /** Pictures that are measured. */
  readonly count: number;
  /** The loss at each timestep. */
  readonly bands: readonly { readonly timestep: number; readonly loss: number }[];
}

/** What the looks so far say of the training: whenever that changes, and at the end. */
export interface VerdictEvent {
  readonly type: 'verdict';
  readonly step: number;
  /** No step comes after it. */
  readonly final: boolean;
  readonly verdict: TrainingVerdict;
}

export interface TrainingVerdict {
  /**
   * sound: the loss on what is held back has not risen, nothing is copied; overfit: it has risen;
   * copies: the previews are copies of training pictures; unclear: too little was looked at.
   */
  readonly kind: 'sound' | 'overfit' | 'copies' | 'unclear';
  /** The step with the lowest loss on what was held back. */
  readonly best?: number;
  readonly headline: string;
  /** The evidence, in sentences. */
  readonly reasons: readonly string[];
}

/**
 * Of a run that goes on from an adapter: the loss on what that was trained on (old), and on what is
 * new; before the first step, and, once no step comes any more, after it, of the same samples with
 * the same noise and timesteps.
 */
export interface ForgettingEvent {
  readonly type: 'forgetting';
  /** 0: `before` alone. */
  readonly step: number;
  readonly sampleName: string;
  /** Absent where nothing of it can be measured. */
  readonly old?: LossBeforeAndAfter;
  readonly new?: LossBeforeAndAfter;
  readonly headline: string;
  /** The evidence, in sentences. */
  readonly reasons: readonly string[];
  /** Seconds that the measuring took, by the clock and of the processor. */
  readonly took: { readonly clock: number; readonly processor: number };
}

/** Each sample counts the same. */
export interface LossBeforeAndAfter {
  /** That are measured, of so many. */
  readonly samples: number;
  readonly of: number;
  /** Whether this run trains them; else they show what it does to what it has not seen. */
  readonly trained: boolean;
  readonly before: number;
  readonly after?: number;
  /** Beyond chance. */
  readonly change?: 'higher' | 'lower' | 'none';
}

/** Money; in what, only where that was configured. */
export interface Cost {
  readonly amount: number;
  readonly currency?: string;
}

/** Time, energy and money. */
export interface Expense {
  /** By the clock, of all starts. */
  readonly seconds: number;
  /** Of the machine meanwhile, whatever else it did. */
  readonly joules: number;
  /** One for each currency; none where no price was configured. */
  readonly costs: readonly Cost[];
  /** Where the energy is known from, in words, each once. */
  readonly power: readonly string[];
  /** Whether the system measured all of it; else some was configured or guessed. */
  readonly isMeasured: boolean;
  /** Starts whose energy had no price. */
  readonly unpriced: number;
}

/** What one start of a run takes, or is expected to. */
export interface StartExpense {
  readonly seconds: number;
  readonly joules?: number;
  /** Seconds of the processor, of all threads of the process together. */
  readonly processorSeconds?: number;
  /**
   * The share, 0 to 1, of the processor time that the run could have used and other programs had;
   * absent where the system does not tell.
   */
  readonly load?: number;
}

/** What this start will take, as soon as a few steps have shown it. */
export interface ForecastEvent {
  readonly type: 'forecast';
  /** Steps done. */
  readonly step: number;
  /** From the beginning of this start to its end. */
  readonly expense: Expense;
  readonly processorSeconds: number;
  /** Up to now, as `StartExpense` has it. */
  readonly load?: number;
  /** Why the energy is only guessed, and what could be done about it. */
  readonly hint?: string;
}

/** What the run took, before `done`. */
export interface AccountEvent extends Expense {
  readonly type: 'account';
  /** Processes that worked on it. */
  readonly starts: number;
  /** Bytes that the process held at most; absent where the system does not tell. */
  readonly peakMemory?: number;
  /** What the plan said of it. */
  readonly memoryEstimate?: number;
  /** What this start was to take, and took; absent where nothing was told. */
  readonly forecast?: { readonly said: StartExpense; readonly took: StartExpense };
  /** Of this start, as `StartExpense` has it. */
  readonly load?: number;
  /** As a forecast has it, where there was none. */
  readonly hint?: string;
}

/** The run ended: all steps done, or stopped by its AbortSignal after the running step. */
export interface DoneEvent {
  readonly type: 'done';
  /** True when stopped before the last step; what was learnt so far is saved all the same. */
  readonly stopped: boolean;
  /** Why the run ended before its last step, where that is what was wanted. */
  readonly ended?: string;
  readonly step: number;
  readonly totalSteps: number;
  /** `<name>.safetensors`; absent when stopped before anything could be saved. */
  readonly adapter?: string;
  /** An earlier checkpoint that is better than what was trained last, by the verdict. */
  readonly best?: { readonly step: number; readonly adapter: string };
  readonly log: string;
  /**
   * What else was written for people to look at, by what it is: `contact sheet`, `answers`,
   * `evaluation`.
   */
  readonly results: Readonly<Record<string, string>>;
  /** Wall seconds of the run, from the plan to the end. */
  readonly seconds: number;
}

/** A `phase` event. */
export const phase = (name: string, done = 0, total = 0): PhaseEvent => ({
  type: 'phase',
  name,
  done,
  total,
});
