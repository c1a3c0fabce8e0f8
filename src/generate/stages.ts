// The three models that make a picture from a text, each as a program that adapters' weights are given to with every run.

import { adaptableLayers, applyLora, type LoraModule } from '../adapters/lora.ts';
import { InternalError } from '../errors.ts';
import { Builder } from '../graph/builder.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { decode, unscaleLatents } from '../models/autoencoder-kl.ts';
import { clipTextEncoder } from '../models/clip-text.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { unet } from '../models/unet.ts';
import { compile, type CompileOptions, type Program } from '../runtime/program.ts';
import { float32, zeros, type Tensor } from '../tensor/tensor.ts';
import type { AdapterSize, AdapterWeights } from './adapter.ts';

/** Adapter weights and their strength; without weights the strength is 0. */
export interface Adaptation {
  readonly weights: AdapterWeights | undefined;
  readonly multiplier: number;
}

const MULTIPLIER = 'multiplier';

/** ids [1, T] -> states [1, T, C]. */
export function textGraph({ textEncoder }: StableDiffusionConfig, clipSkip: number): Graph {
  return graphOf('text', (g) => ({ states: clipTextEncoder(g, textEncoder, g.input('ids', 'int32', [1, textEncoder.max_position_embeddings]), { clipSkip }) }));
}

/** latents [N, C, h, w], timesteps [N], context [N, T, W] -> prediction [N, C, h, w]. */
export function noiseGraph({ unet: config, textEncoder }: StableDiffusionConfig, batch: number, height: number, width: number): Graph {
  return graphOf('noise', (g) => ({
    prediction: unet(g, config, {
      latents: g.input('latents', 'float32', [batch, config.in_channels, height, width]),
      timesteps: g.input('timesteps', 'float32', [batch]),
      context: g.input('context', 'float32', [batch, textEncoder.max_position_embeddings, config.cross_attention_dim]),
    }),
  }));
}

/** latents [1, C, h, w], scaled -> pixels [1, 3, h · factor, w · factor]. */
export function pixelGraph({ vae }: StableDiffusionConfig, height: number, width: number): Graph {
  return graphOf('pixels', (g) => ({ pixels: decode(g, vae, unscaleLatents(g, vae, g.input('latents', 'float32', [1, vae.latent_channels, height, width]))) }));
}

function graphOf(name: string, build: (g: Builder) => Record<string, Value>): Graph {
  const g = new Builder(name);
  for (const [output, value] of Object.entries(build(g))) g.output(output, value);
  return g.finish();
}

/** A model as a session for one shape at a time: another shape replaces it. */
export class Stage<Shape extends readonly number[]> {
  readonly #build: (...shape: Shape) => Graph;
  readonly #sizes: ReadonlyMap<string, AdapterSize>;
  readonly #options: CompileOptions;
  #loaded: { readonly key: string; readonly program: Program; readonly modules: readonly LoraModule[] } | undefined;

  constructor(build: (...shape: Shape) => Graph, sizes: ReadonlyMap<string, AdapterSize>, options: CompileOptions) {
    this.#build = build;
    this.#sizes = sizes;
    this.#options = options;
  }

  /** Runs the model at a shape; the inputs of adapters are those of `adaptation`. */
  async run(shape: Shape, inputs: Readonly<Record<string, Tensor>>, adaptation?: Adaptation): Promise<Record<string, Tensor>> {
    const { program, modules } = await this.#at(shape);
    return program.run({ ...inputs, ...adapterInputs(modules, adaptation) });
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
    const { graph, modules } = applyLora(this.#build(...shape), ({ path }) => this.#sizes.get(path), { multiplier: MULTIPLIER });
    this.#loaded = { key, modules, program: await compile(graph, this.#options) };
    return this.#loaded;
  }
}

function adapterInputs(modules: readonly LoraModule[], adaptation: Adaptation | undefined): Record<string, Tensor> {
  if (modules.length === 0) return {};
  const weights = adaptation?.weights;
  const multiplier = weights === undefined ? 0 : (adaptation?.multiplier ?? 0);
  const given = modules.flatMap(({ down, up }) => [down, up]).map(({ name, shape }): [string, Tensor] => {
    const tensor = weights === undefined ? zeros('float32', shape) : weights.get(name);
    if (tensor === undefined) throw new InternalError(`the adapter's weight ${name} is not given`);
    return [name, tensor];
  });
  return { ...Object.fromEntries(given), [MULTIPLIER]: float32([], [multiplier]) };
}

/** Throws InternalError when an adapter belongs to no layer of the text encoder or the UNet. */
export function checkAdapter(config: StableDiffusionConfig, sizes: ReadonlyMap<string, AdapterSize>): void {
  if (sizes.size === 0) return;
  const layers = [textGraph(config, 1), noiseGraph(config, 1, 1, 1)].flatMap(adaptableLayers);
  const known = new Set(layers.map(({ path }) => path));
  const unknown = [...sizes.keys()].filter((path) => !known.has(path));
  if (unknown.length > 0) throw new InternalError(`the model has no layers ${unknown.join(', ')}`);
}
