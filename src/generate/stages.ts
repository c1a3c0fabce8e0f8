// The three models that make a picture from a text, each as a program that adapters' weights are
// given to with every run.

import { adaptableLayers, applyLora, type LoraModule } from '../adapters/lora.ts';
import { requireSoundOutput, type Stage as NamedStage } from '../checkpoints/unsound.ts';
import { InternalError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { compile, type CompileOptions, type Program } from '../runtime/program.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { adapterInputs, MULTIPLIER, type Adaptation } from './adaptation.ts';
import type { AdapterSize } from './adapter.ts';

/** Which part of the model it is. */
type StageName = Pick<NamedStage, 'name' | 'prefixes'>;

/** A model as a session for one shape at a time: another shape replaces it. */
export class Stage<Shape extends readonly number[]> {
  readonly #named: StageName;
  readonly #build: (...shape: Shape) => Graph;
  readonly #sizes: ReadonlyMap<string, AdapterSize>;
  readonly #options: CompileOptions;
  #loaded:
    | { readonly key: string; readonly program: Program; readonly modules: readonly LoraModule[] }
    | undefined;

  constructor(
    named: StageName,
    build: (...shape: Shape) => Graph,
    sizes: ReadonlyMap<string, AdapterSize>,
    options: CompileOptions,
  ) {
    this.#named = named;
    this.#build = build;
    this.#sizes = sizes;
    this.#options = options;
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
    const { program, modules } = await this.#at(shape);
    const outputs = await program.run({ ...inputs, ...adapterInputs(modules, adaptation) });
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

  async release(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.program.release();
  }

  async #at(shape: Shape) {
    const key = shape.join('x');
    if (this.#loaded?.key === key) return this.#loaded;
    await this.release();
    const { graph, modules } = applyLora(
      this.#build(...shape),
      ({ path }) => this.#sizes.get(path),
      { multiplier: MULTIPLIER },
    );
    this.#loaded = { key, modules, program: await compile(graph, this.#options) };
    return this.#loaded;
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
