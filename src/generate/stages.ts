// The three models that make a picture from a text, each as a program that a mix of adapters is
// given to with every run.

import type { LoraModule } from '../adapters/lora-module.ts';
import { requireSoundOutput, type Stage as NamedStage } from '../checkpoints/unsound.ts';
import type { Graph } from '../graph/graph.ts';
import { decoderGraph, textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import type { CompileOptions, Program } from '../runtime/program.ts';
import type { Programs } from '../runtime/program-cache.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { isOn, type Mix } from './mix.ts';
import { mixWeights, Slots } from './slots.ts';

/** Which part of the model it is. */
type StageName = Pick<NamedStage, 'name' | 'prefixes'>;

export interface StageOptions extends CompileOptions {
  readonly runtime: Runtime;
}

/** The models' graphs without adapters; `height` and `width` are those of the latents. */
export const stageGraphs = (
  { unet, vae, textEncoder }: StableDiffusionConfig,
  clipSkip: number,
) => {
  const tokens = textEncoder.max_position_embeddings;
  return {
    text: () => textEncoderGraph(textEncoder, [1, tokens], clipSkip),
    noise: (rows: number, height: number, width: number, context = tokens) =>
      unetGraph(
        unet,
        [rows, unet.in_channels, height, width],
        [rows, context, unet.cross_attention_dim],
      ),
    pixels: (height: number, width: number) =>
      decoderGraph(vae, [1, vae.latent_channels, height, width]),
  };
};

/** A program, and the adapters that it takes weights for. */
interface Loaded extends Program {
  readonly modules: readonly LoraModule[];
}

/** A model as a session for one shape at a time: another shape replaces it. */
export class Stage<Shape extends readonly number[]> {
  readonly #named: StageName;
  readonly #build: (...shape: Shape) => Graph;
  readonly #options: StageOptions;
  readonly #programs: Programs<Loaded>;
  #slots: Slots | undefined;
  #expected: readonly Mix[] = [];

  constructor(named: StageName, build: (...shape: Shape) => Graph, options: StageOptions) {
    this.#named = named;
    this.#build = build;
    this.#options = options;
    this.#programs = options.runtime.programs(1);
  }

  /**
   * Runs the model at a shape with a mix of adapters. `samples` names each row of the outputs.
   * Throws CheckpointError for a row that is not finite.
   */
  async run(
    shape: Shape,
    inputs: Readonly<Record<string, Tensor>>,
    samples: readonly string[],
    mix: Mix = [],
  ): Promise<Record<string, Tensor>> {
    const slots = (this.#slots ??= new Slots(this.#build(...shape)));
    if (slots.grow([...this.#expected, mix])) await this.#programs.release();
    const program = await this.#programs.get(shape.join('x'), () => this.#open(shape, slots));
    const outputs = await program.run({ ...inputs, ...slots.inputs(program.modules, mix) });
    for (const [name, tensor] of Object.entries(outputs))
      this.#requireSound(name, tensor, samples, mix);
    return outputs;
  }

  #requireSound(
    name: string,
    { dtype, shape, data }: Tensor,
    samples: readonly string[],
    mix: Mix,
  ): void {
    const size = sizeOf(shape) / samples.length;
    const adapter = mix.some(isOn) ? mixWeights(mix) : undefined;
    const stage = { ...this.#named, weights: this.#options.weights, adapter };
    for (const [i, sample] of samples.entries()) {
      const row = { dtype, data: data.subarray(i * size, (i + 1) * size) };
      requireSoundOutput({ name, tensor: row, sample }, stage);
    }
  }

  /** What the next runs will be given; adapters may have changed since the last. */
  expect(mixes: readonly Mix[]): void {
    this.#slots?.forget();
    this.#expected = mixes;
  }

  release(): Promise<void> {
    return this.#programs.release();
  }

  async #open(shape: Shape, slots: Slots): Promise<Loaded> {
    const { runtime, ...options } = this.#options;
    const { graph, modules } = slots.apply(this.#build(...shape));
    return { ...(await runtime.compile(graph, options)), modules };
  }
}
