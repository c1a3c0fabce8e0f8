// The last step after which a task has looked at the weights.

import { z } from 'zod';
import type { Holder } from '../runs/holder.ts';

const saved = z.strictObject({ step: z.int() });

/** Before the first look, −1: the first is before the first step. */
export class Watched implements Holder {
  step = -1;

  save(): z.output<typeof saved> {
    return { step: this.step };
  }

  restore(state: unknown): void {
    ({ step: this.step } = saved.parse(state));
  }
}
