// The three models that make a picture from a text, each as a program that adapters' weights are
// given to with every run.

import { applyAdapter } from '../adapters/apply.ts';
import { adaptableLayers } from '../adapters/layers.ts';
import { lora } from '../adapters/lora.ts';
import type { LoraModule } from '../adapters/lora-module.ts';
import { requireSoundOutput, type Stage as NamedStage } from '../checkpoints/unsound.ts';
import { InternalError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { decoderGraph, textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import type { CompileOptions, Program } from '../runtime/program.ts';
import type { Programs } from '../runtime/program-cache.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { adapterInputs, MULTIPLIER, type Adaptation } from './adaptation.ts';
import type { AdapterSize } from './adapter.ts';

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
  readonly #sizes: ReadonlyMap<string, AdapterSize>;
  readonly #options: StageOptions;
  readonly #programs: Programs<Loaded>;

  constructor(
    named: StageName,
    build: (...shape: Shape) => Graph,
    sizes: ReadonlyMap<string, AdapterSize>,
    options: StageOptions,
  ) {
    this.#named = named;
    this.#build = build;
    this.#sizes = sizes;
    this.#options = options;
    this.#programs = options.runtime.programs(1);
  }

  /**
   * Runs the model at a shape; the inputs of adapters are those of `adaptation`. `samples` names
   * each row of the outputs. Throws CheckpointError for a row that is not finite.
   */
  async run(
    shape: Shape,
    inputs: Readonly<Record<string, Tensor>>,
    samples: readonly string[],
    adaptation?: Adaptation,
  ): Promise<Record<string, Tensor>> {
    const program = await this.#programs.get(shape.join('x'), () => this.#open(shape));
    const outputs = await program.run({ ...inputs, ...adapterInputs(program.modules, adaptation) });
    for (const [name, tensor] of Object.entries(outputs))
      this.#requireSound(name, tensor, samples, adaptation);
    return outputs;
  }

  #requireSound(
    name: string,
    { dtype, shape, data }: Tensor,
    samples: readonly string[],
    adaptation: Adaptation | undefined,
  ): void {
    const size = sizeOf(shape) / samples.length;
    const adapter = adaptation?.multiplier === 0 ? undefined : adaptation?.weights;
    const stage = { ...this.#named, weights: this.#options.weights, adapter };
    for (const [i, sample] of samples.entries()) {
      const row = { dtype, data: data.subarray(i * size, (i + 1) * size) };
      requireSoundOutput({ name, tensor: row, sample }, stage);
    }
  }

  release(): Promise<void> {
    return this.#programs.release();
  }

  async #open(shape: Shape): Promise<Loaded> {
    const { runtime, ...options } = this.#options;
    const { graph, modules } = applyAdapter(
      this.#build(...shape),
      lora,
      ({ path }) => this.#sizes.get(path),
      { strength: () => ({ input: MULTIPLIER, shape: [] }) },
    );
    return { ...(await runtime.compile(graph, options)), modules };
  }
}

/** Throws InternalError when an adapter belongs to no layer of the text encoder or the UNet. */
export function checkAdapter(
  { unet, textEncoder }: StableDiffusionConfig,
  sizes: ReadonlyMap<string, AdapterSize>,
): void {
  if (sizes.size === 0) return;
  const layers = [
    textEncoderGraph(textEncoder, [1, 1]),
    unetGraph(unet, [1, unet.in_channels, 1, 1], [1, 1, unet.cross_attention_dim]),
  ].flatMap(adaptableLayers);
  const known = new Set(layers.map(({ path }) => path));
  const unknown = [...sizes.keys()].filter((path) => !known.has(path));
  if (unknown.length > 0) throw new InternalError(`the model has no layers ${unknown.join(', ')}`);
}
