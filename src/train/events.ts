// The events of a training run.

import type { EvaluatedEvent } from '../eval/result.ts';
import type {
  AccountEvent,
  DoneEvent,
  ForecastEvent,
  ForgettingEvent,
  PhaseEvent,
  PlanEvent,
  SampleEvent,
  SavedEvent,
  StepEvent,
  ValidationEvent,
  VerdictEvent,
  WarningEvent,
} from '../events.ts';

export type TrainEvent =
  | PlanEvent
  | PhaseEvent
  | WarningEvent
  | StepEvent
  | SavedEvent
  | SampleEvent
  | ValidationEvent
  | VerdictEvent
  | ForgettingEvent
  | EvaluatedEvent
  | ForecastEvent
  | AccountEvent
  | DoneEvent;
