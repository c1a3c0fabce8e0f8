// What passes between the process that trains and the one that started it.
import type { LoadedConfig } from '../config/load.ts';
import type { Problem } from '../errors.ts';
import type { TrainEvent } from './events.ts';
import type { ResumeMode } from './take-up.ts';

/** A training run as a function: the form of `train`, and of the stand-ins in tests. */
export type Trainer = (
  job: LoadedConfig,
  options: { readonly signal: AbortSignal; readonly resume?: ResumeMode },
) => AsyncIterable<TrainEvent>;

export type ToWorker =
  | { readonly type: 'start'; readonly job: LoadedConfig; readonly resume?: ResumeMode }
  | { readonly type: 'stop' };

export type FromWorker =
  | { readonly type: 'event'; readonly event: TrainEvent }
  | { readonly type: 'end' }
  | { readonly type: 'user-error'; readonly name: string; readonly problems: readonly Problem[] }
  | { readonly type: 'crash'; readonly stack: string };
