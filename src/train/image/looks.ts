// What a run of pictures is looked at for between its steps: the loss on pictures that are held
// back, and previews.

import type { Duration } from '../../account/duration.ts';
import { InternalError } from '../../errors.ts';
import { noiseSchedule } from '../../models/noise-schedule.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import { plural } from '../../util/plural.ts';
import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { Forgetting } from '../forgetting.ts';
import { History } from '../history.ts';
import { lookSchedule, lookShare, usualInterval, type LookSchedule } from '../look-schedule.ts';
import type { TaskContext, TaskEvent, Write } from '../task.ts';
import type { EncodedPictures, StepPlan } from './batches.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { drawPreviews, TrainedPictures, writePreviews, type PreviewSource } from './previews.ts';
import type { PictureSet } from './samples.ts';
import type { SheetSource } from './sheet.ts';
import type { TrainingPicture } from './training-picture.ts';
import {
  measure,
  measuredPictures,
  measuredSamples,
  measureSets,
  TIMESTEPS,
  triedLook,
  type Measured,
  type MeasureOptions,
} from './validation.ts';

export interface LooksSource extends PictureSet, Omit<SheetSource, 'config' | 'runtime'> {
  readonly base: StableDiffusionWeights;
  readonly context: TaskContext;
  readonly memory: MemoryPlan;
  readonly steps: StepPlan;
  /** Of every caption. */
  readonly tokens: number;
}

export class Looks {
  readonly history: History;
  /** Of a run that goes on from an adapter. */
  readonly forgetting: Forgetting | undefined;
  readonly #source: LooksSource;
  readonly #schedule: LookSchedule;
  readonly #measured: Measured;
  /** What is trained, to compare previews with. */
  readonly trained: TrainedPictures;

  constructor(source: LooksSource) {
    const { pictures, heldOut } = source;
    this.#source = source;
    this.#measured = measuredPictures(pictures.length, heldOut.length);
    this.trained = new TrainedPictures(pictures);
    this.history = new History({
      heldOut: `${those(this.#measured.heldOut)} not trained (${TIMESTEPS} timesteps each, always the same noise)`,
      trained: `${those(this.#measured.trained)} trained, measured the same way`,
    });
    this.forgetting = forgettingOf(source);
    this.#schedule = lookSchedule({
      config: source.config,
      holdsBack: heldOut.length > 0,
      usual: usualInterval(this.#cost),
      ends: true,
    });
  }

  /** What is looked at, how often, and what that takes; undefined where nothing is. */
  get plan(): string | undefined {
    if (this.#source.heldOut.length === 0) return undefined;
    const { every } = this.#schedule;
    const share = lookShare(every, this.#cost);
    const often = every === 1 ? 'after every step' : `after every ${every} steps`;
    return `validated ${often} on ${plural(this.#measured.heldOut.length, 'picture')} held back, about ${shareText(share)} the training's time`;
  }

  /** Steps from one validation to the next; undefined where nothing is held back. */
  get every(): number | undefined {
    return this.#source.heldOut.length === 0 ? undefined : this.#schedule.every;
  }

  get schedule(): Pick<LookSchedule, 'validates' | 'previews'> {
    return this.#schedule;
  }

  /** How long one validation takes; undefined where nothing is held back. */
  async tried(): Promise<Duration | undefined> {
    const { pictures, heldOut, base, adapted, context, memory, tokens } = this.#source;
    if (heldOut.length === 0) return undefined;
    const factor = latentFactor(base.config.vae);
    const sides = [...pictures, ...heldOut].map(
      ({ bucket: [width, height] }) => [height / factor, width / factor] as const,
    );
    const { runtime } = context;
    const options = { adapted, weights: base.weights, runtime, microBatch: memory.microBatch };
    return triedLook(this.#measured, sides, { ...options, tokens });
  }

  async *watch(
    step: number,
    final: boolean,
    encoded: EncodedPictures | undefined,
    write: Write,
  ): AsyncGenerator<TaskEvent, void> {
    const { history } = this;
    if (step === 0) yield* this.#compare(step, encoded);
    if (this.#schedule.validates(step, final)) {
      const event = yield* measure(step, this.#measured, ready(encoded), this.#options);
      if (event === undefined) return;
      history.validated(event);
      yield event;
    }
    if (this.#schedule.previews(step, final)) {
      yield* drawPreviews(step, this.#previews, history, write);
      if (this.#source.context.signal.aborted) return;
      await writePreviews(this.#previews, history, false, write);
    }
    const verdict = final ? undefined : history.verdict(false);
    if (verdict !== undefined) yield verdict;
  }

  /** The verdict, and the files for people to look at, by what they are. */
  async *finish(
    step: number,
    encoded: EncodedPictures | undefined,
    write: Write,
  ): AsyncGenerator<TaskEvent, ReadonlyMap<string, string>> {
    yield* this.#compare(step, encoded);
    const verdict = this.history.verdict(true);
    if (verdict !== undefined) yield verdict;
    return writePreviews(this.#previews, this.history, true, write);
  }

  /** The losses on old and new pictures: before the first step, and once none comes any more. */
  async *#compare(
    step: number,
    encoded: EncodedPictures | undefined,
  ): AsyncGenerator<TaskEvent, void> {
    const { forgetting } = this;
    const { compared, pictures, heldOut } = this.#source;
    if (forgetting === undefined || compared === undefined) return;
    const all = [...pictures, ...heldOut, ...compared.besides];
    const positionOf = (picture: TrainingPicture) => all.indexOf(picture);
    yield* forgetting.measured(step, () =>
      measureSets(step, { ...compared, positionOf }, ready(encoded), this.#options),
    );
  }

  get #cost() {
    const { config, pictures, steps } = this.#source;
    const samples = pictures.reduce((sum, { repeats }) => sum + repeats, 0);
    return {
      totalSteps: config.max_train_steps ?? config.epochs * steps.stepsPerEpoch,
      samplesPerStep: samples / steps.stepsPerEpoch,
      samplesPerLook: measuredSamples(this.#measured),
      saveSteps: config.save_steps,
    };
  }

  get #previews(): PreviewSource {
    const { base, config, adapted, tokenizer, context, pictures } = this.#source;
    return {
      base,
      config,
      adapted,
      tokenizer,
      ...context,
      pictures,
      trained: this.trained,
    };
  }

  get #options(): MeasureOptions {
    const { base, config, adapted, context, memory } = this.#source;
    return {
      ...drawOptions(base, config),
      schedule: noiseSchedule(base.config.scheduler),
      adapted,
      weights: base.weights,
      ...context,
      microBatch: memory.microBatch,
      learningRate: config.learning_rate,
    };
  }
}

function ready(encoded: EncodedPictures | undefined): EncodedPictures {
  if (encoded === undefined) throw new InternalError('the pictures are not encoded yet');
  return encoded;
}

const forgettingOf = ({ compared, config }: LooksSource): Forgetting | undefined =>
  compared &&
  new Forgetting({
    sets: compared.sets,
    sampleName: 'picture',
    continueData: config.continue_data,
    isUnknown: compared.decision.isUnknown,
  });

const those = ({ length }: readonly number[]): string =>
  `${plural(length, 'picture')} that ${length === 1 ? 'is' : 'are'}`;

/** `4 % of`, `3 times`: of short runs, and of runs with few pictures. */
const shareText = (share: number): string =>
  share < 1.5 ? `${Math.max(1, Math.round(100 * share))} % of` : `${Math.round(share)} times`;

/** What chance adds to a picture, and how its loss is weighted. */
export const drawOptions = (
  { config: model }: StableDiffusionWeights,
  { seed, noise_offset, min_snr_gamma }: PictureSet['config'],
) => ({
  seed,
  noise_offset,
  min_snr_gamma,
  scalingFactor: model.vae.scaling_factor,
  timesteps: model.scheduler.num_train_timesteps,
});
