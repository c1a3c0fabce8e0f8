// What a run of texts is looked at for between its steps: the loss on what is held back, and
// answers.

import { phase } from '../../events.ts';
import { plural } from '../../util/plural.ts';
import type { TextRunData } from './data.ts';
import { previews, type AnswerSource } from './answers.ts';
import { Forgetting } from '../forgetting.ts';
import { History } from '../history.ts';
import { lookSchedule, type LookSchedule } from '../look-schedule.ts';
import type { TaskEvent } from '../task.ts';
import {
  measuredSequences,
  measureSequences,
  validate,
  type ValidationOptions,
} from './validation.ts';

export interface TextLooksSource
  extends AnswerSource, Pick<TextRunData, 'train' | 'validation' | 'compared'> {
  readonly stepsPerEpoch: number;
  readonly validationOptions: ValidationOptions;
}

export class TextLooks {
  readonly history: History;
  /** Of a run that goes on from an adapter. */
  readonly forgetting: Forgetting | undefined;
  readonly #source: TextLooksSource;
  readonly #schedule: LookSchedule;

  constructor(source: TextLooksSource) {
    const { config, validation, stepsPerEpoch } = source;
    const count = validation.length;
    this.#source = source;
    this.history = new History({
      heldOut: `${plural(count, 'sequence')} that ${count === 1 ? 'is' : 'are'} not trained`,
      trained: 'as many that are trained, measured the same way',
    });
    this.forgetting = forgettingOf(source);
    this.#schedule = lookSchedule({
      config,
      holdsBack: count > 0,
      usual: stepsPerEpoch,
      ends: false,
    });
  }

  /** Steps from one validation to the next; undefined where nothing is held back. */
  get every(): number | undefined {
    return this.#source.validation.length === 0 ? undefined : this.#schedule.every;
  }

  get schedule(): Pick<LookSchedule, 'validates' | 'previews'> {
    return this.#schedule;
  }

  async *watch(step: number, final: boolean): AsyncGenerator<TaskEvent, void> {
    const { history } = this;
    const { train, validation, validationOptions } = this.#source;
    if (step === 0) yield* this.#compare(step);
    if (this.#schedule.validates(step, final)) {
      if (step === 0) yield phase('validating');
      const measured = measuredSequences(train, validation);
      const event = yield* validate(measured, step, validationOptions);
      history.validated(event);
      yield event;
    }
    if (this.#schedule.previews(step, final)) yield* previews(this.#source, step);
    const verdict = final ? undefined : history.verdict(false);
    if (verdict !== undefined) yield verdict;
  }

  /** Once no look comes any more. */
  async *verdict(step: number): AsyncGenerator<TaskEvent, void> {
    yield* this.#compare(step);
    const verdict = this.history.verdict(true);
    if (verdict !== undefined) yield verdict;
  }

  /** The losses on old and new texts: before the first step, and once none comes any more. */
  async *#compare(step: number): AsyncGenerator<TaskEvent, void> {
    const { compared, validationOptions } = this.#source;
    if (this.forgetting === undefined || compared === undefined) return;
    yield* this.forgetting.measured(step, () =>
      measureSequences(step, compared.sets, validationOptions),
    );
  }
}

const forgettingOf = ({ compared, config }: TextLooksSource): Forgetting | undefined =>
  compared &&
  new Forgetting({
    sets: compared.sets,
    sampleName: 'sequence',
    continueData: config.continue_data,
    isUnknown: compared.decision.isUnknown,
  });
