// Pictures from texts: the text encoder, the UNet under a sampler with classifier-free guidance (Ho
// & Salimans, arXiv 2207.12598), the decoder.

import { stableDiffusionPaths } from '../adapters/stable-diffusion-paths.ts';
import { pictureStages } from '../checkpoints/unsound.ts';
import type { Picture } from '../dataset/image.ts';
import { ConfigError } from '../errors.ts';
import { clipSkipProblems } from '../models/clip-text.ts';
import { latentFactor, type StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import type { Weights } from '../tensor/weights.ts';
import { cpuRuntime, type Runtime } from '../runtime/runtime.ts';
import { float32, int32, type Tensor } from '../tensor/tensor.ts';
import { unknownPlace } from '../tokenizer/unknown-id.ts';
import { requireLayers, type Mix } from './mix.ts';
import { guidanceRows, guided, rowNames } from './guidance.ts';
import { batchesOf, type PictureBatch, type PlannedRequest } from './picture-batches.ts';
import { completeRequests, type CompleteRequest, type PictureRequest } from './picture-request.ts';
import { rgbOf } from './pixels.ts';
import type { ChunkTokenizer } from './prompt/chunks.ts';
import { contextsOf, type Contexts } from './prompt/contexts.ts';
import { picturePrompts, promptName } from './prompt/picture-prompts.ts';
import type { Way } from './samplers/way.ts';
import type { Predict } from './samplers/sampler.ts';
import { callsOf, journeyOf, wayOf } from './picture-way.ts';
import { mostAtOnce, sparesMemory } from './drawing-room.ts';
import { Stage, stageGraphs } from './stages.ts';

export interface ImageGeneratorOptions {
  /** What `loadStableDiffusion` returns, or a configuration with weights in memory. */
  readonly checkpoint: { readonly config: StableDiffusionConfig; readonly weights: Weights };
  readonly tokenizer: ChunkTokenizer;
  /** Adapters for requests that bring none of their own. */
  readonly mix?: Mix;
  /** Default: the processor, with one thread for each core. */
  readonly runtime?: Runtime;
  /** n: the states after the n-th layer from the end; 1, the default, is the last. */
  readonly clipSkip?: number;
  /** Pictures that go through the models at once; by default 8, and 1 where memory is spared. */
  readonly batch?: number;
  /** One model in memory at a time; by default where the weights take more than 1 GiB. */
  readonly savesMemory?: boolean;
}

export type GenerationEvent =
  | {
      readonly type: 'step';
      /** Steps of the whole call: done, and to be done. */
      readonly done: number;
      readonly total: number;
      /** Positions in the list of requests of the pictures that took this step. */
      readonly indices: readonly number[];
      readonly step: number;
    }
  | {
      readonly type: 'image';
      /** Position in the list of requests. */
      readonly index: number;
      readonly picture: Picture;
      /** [1, latent channels, h, w], scaled as the UNet has them. */
      readonly latents: Tensor<'float32'>;
    };

export interface ImageGenerator {
  /**
   * Draws pictures, similar ones together: they come in another order than asked for, each with its
   * index. The same list of requests gives the same bits at one number of threads. One call at a
   * time. Throws ConfigError when a request cannot be met, CheckpointError where a model gives
   * numbers that are not finite. Blocks the thread while a model computes.
   */
  generate(requests: readonly PictureRequest[]): AsyncGenerator<GenerationEvent>;
  release(): Promise<void>;
}

/**
 * Loads nothing yet: each model is loaded when it is first needed, for one size of picture at a
 * time.
 */
export function createImageGenerator(options: ImageGeneratorOptions): ImageGenerator {
  return new Generator(options);
}

type Sampled = { readonly batch: PictureBatch; readonly latents: Float32Array };

class Generator implements ImageGenerator {
  readonly #options: ImageGeneratorOptions;
  readonly #config: StableDiffusionConfig;
  readonly #savesMemory: boolean;
  readonly #text: Stage<[]>;
  readonly #noise: Stage<[rows: number, height: number, width: number, tokens: number]>;
  readonly #pixels: Stage<[height: number, width: number]>;
  /** Of its layers that can carry an adapter, once they are needed. */
  #paths: ReadonlySet<string> | undefined;

  constructor(options: ImageGeneratorOptions) {
    const {
      checkpoint: { config, weights },
      runtime = cpuRuntime(),
      clipSkip = 1,
    } = options;
    checkClipSkip(config, clipSkip);
    this.#options = options;
    this.#config = config;
    this.#savesMemory = options.savesMemory ?? sparesMemory(weights);
    const graphs = stageGraphs(config, clipSkip);
    const compiling = { runtime, weights, keepsMemory: !this.#savesMemory };
    this.#text = new Stage(pictureStages.textEncoder, graphs.text, compiling);
    this.#noise = new Stage(pictureStages.unet, graphs.noise, compiling);
    this.#pixels = new Stage(pictureStages.decoder, graphs.pixels, compiling);
  }

  async *generate(requests: readonly PictureRequest[]): AsyncGenerator<GenerationEvent> {
    const batches = batchesOf(
      this.#withPrompts(completeRequests(requests, this.#config)),
      this.#options.batch ?? mostAtOnce(this.#savesMemory),
    );
    this.#expect(batches);
    const total = batches.reduce((sum, { pictures }) => sum + this.#wayOf(pictures).steps, 0);
    let done = 0;
    for (const group of this.#savesMemory ? [batches] : batches.map((batch) => [batch])) {
      for await (const event of this.#draw(group))
        yield event.type === 'step' ? { ...event, done: ++done, total } : event;
    }
  }

  #expect(batches: readonly PictureBatch[]): void {
    const mixes = batches.map(({ pictures }) => this.#mixOf(pictures));
    if (mixes.some(({ length }) => length > 0)) {
      this.#paths ??= new Set(stableDiffusionPaths(this.#config));
      for (const mix of mixes) requireLayers(this.#paths, mix);
    }
    for (const stage of [this.#text, this.#noise]) stage.expect(mixes);
  }

  async release(): Promise<void> {
    for (const stage of [this.#text, this.#noise, this.#pixels]) await stage.release();
  }

  /** All batches through one model after another. */
  async *#draw(batches: readonly PictureBatch[]): AsyncGenerator<GenerationEvent> {
    const contexts: Contexts[] = [];
    for (const batch of batches) contexts.push(await this.#encode(batch));
    await this.#finished(this.#text);
    const sampled: Sampled[] = [];
    for (const [i, batch] of batches.entries())
      sampled.push({ batch, latents: yield* this.#sample(batch, contexts[i]) });
    await this.#finished(this.#noise);
    for (const each of sampled) yield* this.#decode(each);
    await this.#finished(this.#pixels);
  }

  async #finished(stage: { release(): Promise<void> }): Promise<void> {
    if (this.#savesMemory) await stage.release();
  }

  #withPrompts(requests: readonly CompleteRequest[]): PlannedRequest[] {
    const { tokenizer } = this.#options;
    const length = this.#config.textEncoder.max_position_embeddings;
    return requests.map((request) => ({
      ...request,
      prompts: picturePrompts(request, { tokenizer, length, calls: callsOf(request) }),
    }));
  }

  #encode({ pictures }: PictureBatch): Promise<Contexts> {
    const mix = this.#mixOf(pictures);
    return contextsOf(
      pictures.map(({ prompts }) => prompts),
      async (ids, where) => {
        const input_ids = int32([1, ids.length], ids);
        const what = unknownPlace(input_ids, this.#config.textEncoder.vocab_size);
        if (what !== undefined) throw new ConfigError([{ where, what }]);
        const outputs = await this.#text.run([], { input_ids }, [where], mix);
        return floats(outputs.text_states);
      },
    );
  }

  async *#sample(
    batch: PictureBatch,
    contexts: Contexts,
  ): AsyncGenerator<GenerationEvent, Float32Array> {
    const { pictures, indices } = batch;
    const factor = latentFactor(this.#config.vae);
    const journey = journeyOf(pictures, this.#latentShape(batch), factor);
    const predict = this.#guided(batch, contexts);
    let latents = journey.noise.first();
    for await (const { step, x } of this.#wayOf(pictures).run({ ...journey, predict })) {
      latents = x;
      yield { type: 'step', done: 0, total: 0, indices, step };
    }
    return latents;
  }

  #wayOf(pictures: PictureBatch['pictures']): Way {
    return wayOf(pictures, this.#config.scheduler);
  }

  /** The prediction with guidance, all prompts of the pictures in one run. */
  #guided(batch: PictureBatch, { rows, tokens, at }: Contexts): Predict {
    const { pictures } = batch;
    const prompts = pictures.map((picture) => picture.prompts);
    const [channels, height, width] = this.#latentShape(batch);
    const mix = this.#mixOf(pictures);
    const samples = rowNames(pictures);
    return async (x, t, call) => {
      const inputs = {
        latents: float32([rows, channels, height, width], guidanceRows(x, prompts)),
        timesteps: float32([rows], Array<number>(rows).fill(t)),
        text_states: at(call),
      };
      const { prediction } = await this.#noise.run(
        [rows, height, width, tokens],
        inputs,
        samples,
        mix,
      );
      return guided(floats(prediction), prompts, x.length);
    };
  }

  async *#decode({ batch, latents }: Sampled): AsyncGenerator<GenerationEvent> {
    const shape = this.#latentShape(batch);
    const [, height, width] = shape;
    const size = latents.length / batch.pictures.length;
    for (const [i, index] of batch.indices.entries()) {
      const one = float32([1, ...shape], latents.subarray(i * size, (i + 1) * size));
      const samples = [promptName(batch.pictures[i].prompt)];
      const { pixels } = await this.#pixels.run([height, width], { latents: one }, samples);
      yield { type: 'image', index, picture: rgbOf(pixels), latents: one };
    }
  }

  #mixOf([{ mix = this.#options.mix }]: PictureBatch['pictures']): Mix {
    return mix ?? [];
  }

  /** [C, h, w] */
  #latentShape({ pictures: [{ width, height }] }: PictureBatch): readonly [number, number, number] {
    const factor = latentFactor(this.#config.vae);
    return [this.#config.vae.latent_channels, height / factor, width / factor];
  }
}

function floats({ data }: Tensor): Float32Array {
  return data as Float32Array; // the models' outputs are float32
}

function checkClipSkip({ textEncoder }: StableDiffusionConfig, clipSkip: number): void {
  const problems = clipSkipProblems('clipSkip', clipSkip, textEncoder);
  if (problems.length > 0) throw new ConfigError(problems);
}
