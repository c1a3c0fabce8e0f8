// What the plan of a run of pictures decides, and another start of it is given back.

import { z } from 'zod';
import { comparedDecision } from '../both-sets.ts';
import { begunDecision } from '../starting-point.ts';
import type { TaskContext } from '../task.ts';

const decisions = z.strictObject({
  microBatch: z.int().positive().optional(),
  begun: begunDecision,
  compared: comparedDecision,
});

export const decided = (recorded: TaskContext['recorded']) =>
  recorded?.decisions === undefined ? undefined : decisions.parse(recorded.decisions);
