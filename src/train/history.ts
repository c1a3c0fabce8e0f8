// What was seen of a run between its steps: kept with the run's state, so that a run that was
// interrupted judges as one that was not.

import { z } from 'zod';
import type { Holder } from '../runs/holder.ts';
import type { TrainingVerdict, ValidationEvent, VerdictEvent } from '../events.ts';
import {
  bestLook,
  endsWorse,
  trainingVerdict,
  type Look,
  type LooksAt,
  type Preview,
} from './overfitting.ts';

const step = z.int().nonnegative();

const validation = z.strictObject({
  loss: z.number(),
  trainLoss: z.number(),
  losses: z.array(z.number()),
});

const preview = z.strictObject({
  prompt: z.string(),
  file: z.string(),
  nearest: z
    .strictObject({ name: z.string(), likeness: z.number(), isCopy: z.boolean() })
    .optional(),
});

const saved = z.strictObject({
  looks: z.array(
    z.strictObject({
      step,
      validation: validation.optional(),
      previews: z.array(preview).optional(),
    }),
  ),
  /** The kind of the last verdict that was told. */
  told: z.enum(['sound', 'overfit', 'copies', 'unclear']).optional(),
});

type Saved = z.output<typeof saved>;

const isHarm = (kind: TrainingVerdict['kind'] | undefined): boolean =>
  kind === 'overfit' || kind === 'copies';

/** The looks of a run, in the order of their steps. */
export class History implements Holder<Saved> {
  #looks: readonly Look[] = [];
  #told: TrainingVerdict['kind'] | undefined;

  constructor(readonly at: LooksAt) {}

  get looks(): readonly Look[] {
    return this.#looks;
  }

  /** The step with the lowest loss on what is held back; undefined where nothing is. */
  get best(): number | undefined {
    return bestLook(this.#looks)?.step;
  }

  /** Why more training would do harm; undefined where nothing says so. */
  get harm(): string | undefined {
    const { kind, headline } = trainingVerdict(this.#looks, this.at);
    return isHarm(kind) ? headline : undefined;
  }

  /** On what is held back, where it was looked at then. */
  lossAt(step: number): number | undefined {
    return this.#looks.find((look) => look.step === step)?.validation?.loss;
  }

  /** The best step, where the last verdict says that later ones do harm, or the last look does. */
  get better(): number | undefined {
    return isHarm(this.#told) || endsWorse(this.#looks) ? this.best : undefined;
  }

  validated({ step, loss, trainLoss, losses }: ValidationEvent): void {
    this.#add({ step, validation: { loss, trainLoss, losses } });
  }

  drawn(step: number, previews: readonly Preview[]): void {
    this.#add({ step, previews });
  }

  /** What is to be told now: where the verdict has changed to or from harm, and at the end. */
  verdict(final: boolean): VerdictEvent | undefined {
    const step = this.#looks.at(-1)?.step;
    if (step === undefined) return undefined;
    const verdict = trainingVerdict(this.#looks, this.at, final);
    const isNews = verdict.kind !== this.#told && (isHarm(verdict.kind) || isHarm(this.#told));
    if (!isNews && !final) return undefined;
    this.#told = verdict.kind;
    return { type: 'verdict', step, final, verdict };
  }

  save(): Saved {
    const looks = this.#looks.map(({ step, validation: found, previews }) => ({
      step,
      ...(found !== undefined && { validation: { ...found, losses: [...found.losses] } }),
      ...(previews !== undefined && { previews: [...previews] }),
    }));
    return { looks, ...(this.#told !== undefined && { told: this.#told }) };
  }

  /** Throws where an entry is missing, unknown or of another kind; nothing is changed then. */
  restore(state: unknown): void {
    ({ looks: this.#looks, told: this.#told } = saved.parse(state));
  }

  /** What is seen of one step belongs together. */
  #add(look: Look): void {
    const last = this.#looks.at(-1);
    this.#looks =
      last?.step === look.step
        ? [...this.#looks.slice(0, -1), { ...last, ...look }]
        : [...this.#looks, look];
  }
}
