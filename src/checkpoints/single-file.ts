// A Stable Diffusion 1.x checkpoint in one file: names by rule, sizes from the tensors' shapes.

import { CheckpointError } from '../errors.ts';
import {
  stableDiffusion15,
  type ClipTextConfig,
  type StableDiffusionConfig,
  type UNetConfig,
  type VaeConfig,
} from '../models/stable-diffusion-config.ts';
import { stableDiffusionParameters } from '../models/parameters.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';
import { checkConfig } from './check-config.ts';
import { checkWeights } from './check-weights.ts';
import { Contents, type Described } from './contents.ts';
import { kindError, kindOf } from './identify.ts';
import {
  emaKey,
  isVaeAttentionWeight,
  ldmPrefixes,
  nameLdmKeys,
  type LdmName,
} from './ldm-keys.ts';
import { leftoverWarnings, refuseLayerExtras } from './leftovers.ts';
import { markedSchedule, markers, markerWarnings, requireUsableSchedule } from './markers.ts';
import { openAnySafetensors } from './safetensors-file.ts';
import { asMatrix, parametersOf, type StableDiffusionWeights } from './weights.ts';

/** Tensors by name; the types of some may not be supported, which matters if they are needed. */
export type Tensors = ReadonlyMap<string, Described>;

/**
 * The weights of a single-file checkpoint under our names, and the configuration read off their
 * shapes. What the file cannot say is fixed as in SD 1.5: 32 groups, 8 heads, text heads of width
 * 64, its noise schedule, which its markers may change. Whatever else lies in the file is named in
 * the warnings. Throws CheckpointError when the file is not a complete SD 1.x, or when `useEma`
 * asks for averaged weights that it lacks.
 */
export function loadSingleFile(path: string, useEma: boolean): StableDiffusionWeights {
  const file = openAnySafetensors(path);
  const tensors: Tensors = new Map<string, Described>([...file.tensors, ...file.unsupported]);
  const plain = completeModel(tensors, path);
  const { config, weights } = useEma ? readModel(withEma(tensors, path), path) : plain;
  const statement = { names: new Set(tensors.keys()), metadata: file.metadata };
  const scheduler = markedSchedule(statement, config.scheduler);
  requireUsableSchedule(scheduler, path);
  return {
    layout: 'single-file',
    path: file.path,
    config: { ...config, scheduler },
    weights,
    warnings: [
      ...markerWarnings(statement, path),
      ...leftoverWarnings(
        plain.leftovers.filter((key) => !markers.includes(key)),
        path,
      ),
    ],
  };
}

interface SingleFileModel {
  readonly config: StableDiffusionConfig;
  readonly weights: ReadonlyMap<string, ExternalTensor>;
  /** Keys of the file. */
  readonly leftovers: readonly string[];
}

/**
 * The model, whatever else the file holds. Only where it is not complete, or where a tensor makes
 * it compute otherwise, its kind is looked for, and thrown.
 */
function completeModel(tensors: Tensors, path: string): SingleFileModel {
  const file = new Contents(tensors);
  const told = (whole: boolean) => {
    const kind = kindOf(file, whole);
    return kind && kindError(kind, file, path);
  };
  let model: SingleFileModel;
  try {
    model = readModel(tensors, path);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw told(false) ?? error;
  }
  const other = told(true);
  if (other !== undefined) throw other;
  return model;
}

function readModel(tensors: Tensors, path: string): SingleFileModel {
  const { weights, keys } = nameWeights(tensors);
  const config = readConfig(weights, path);
  checkConfig(config, path);
  const expected = stableDiffusionParameters(config);
  const leftovers = checkWeights(expected, weights, path);
  refuseLayerExtras(leftovers, expected, path);
  return {
    config,
    weights: parametersOf(expected, weights),
    leftovers: leftovers.map((name) => keys.get(name) ?? name),
  };
}

/** The tensors of a single file under our names, without those that are known and not needed. */
export function nameWeights<T extends Described>(
  tensors: ReadonlyMap<string, T>,
): { weights: Map<string, T>; keys: Map<string, string> } {
  const names = nameLdmKeys([...tensors.keys()]);
  const weights = new Map<string, T>();
  const keys = new Map<string, string>();
  for (const [key, tensor] of tensors) {
    const name = names.get(key);
    if (name === undefined || name.kind === 'ignored') continue;
    const ours = weightName(key, name);
    // two names of one weight: the first is taken, the other is a leftover
    const free = weights.has(ours) ? key : ours;
    weights.set(free, isVaeAttentionWeight(ours) ? asMatrix(tensor) : tensor);
    keys.set(free, key);
  }
  return { weights, keys };
}

/** A name that no rule knows stays as it is, for checkWeights to call it unexpected. */
const weightName = (key: string, name: LdmName): string =>
  name.kind === 'weight' ? `${name.component}.${name.key}` : key;

/** The UNet's tensors replaced by their averaged copies. */
function withEma(tensors: Tensors, path: string): Tensors {
  const unetKeys = [...tensors.keys()].filter((key) => key.startsWith(ldmPrefixes.unet));
  const missing = unetKeys.filter((key) => !tensors.has(emaKey(key)));
  if (missing.length > 0) {
    const none = missing.length === unetKeys.length;
    const what = none
      ? 'use_ema needs averaged (EMA) weights, but the file has none'
      : `use_ema needs averaged (EMA) weights, but ${missing.length} of ${unetKeys.length} are missing, the first ${emaKey(missing[0])}`;
    throw new CheckpointError([
      {
        where: path,
        what,
        fix: 'Remove use_ema ("emaonly" files hold the averaged weights under the ordinary names), or name the full checkpoint.',
      },
    ]);
  }
  return new Map(Array.from(tensors, ([key, tensor]) => [key, tensors.get(emaKey(key)) ?? tensor]));
}

/** The configuration that the shapes of the weights, under our names, tell. */
export function readConfig(weights: Tensors, path: string): StableDiffusionConfig {
  const shapes = new Shapes(weights, path);
  return {
    unet: unetConfig(shapes),
    vae: vaeConfig(shapes),
    textEncoder: clipConfig(shapes),
    scheduler: stableDiffusion15.scheduler,
  };
}

/** Looks sizes up in the tensors, and says which tensor is needed where one is missing. */
class Shapes {
  constructor(
    readonly weights: Tensors,
    readonly path: string,
  ) {}

  dim(name: string, axis: number): number {
    const tensor = this.weights.get(name);
    if (tensor === undefined) this.fail(`tensor ${name} is missing`);
    if (axis >= tensor.shape.length)
      this.fail(`tensor ${name} has ${tensor.shape.length} dimensions, too few`);
    return tensor.shape[axis];
  }

  /** How many of `prefix.0`, `prefix.1`, … there are. */
  count(prefix: string): number {
    const found = new Set<number>();
    for (const name of this.weights.keys()) {
      if (name.startsWith(`${prefix}.`))
        found.add(Number.parseInt(name.slice(prefix.length + 1), 10));
    }
    return found.size;
  }

  has(prefix: string): boolean {
    return this.count(prefix) > 0;
  }

  fail(what: string): never {
    throw new CheckpointError([
      {
        where: this.path,
        what: `the model's sizes cannot be read: ${what}`,
        fix: 'The file is incomplete or damaged: download it again.',
      },
    ]);
  }
}

const indices = (count: number) => Array.from({ length: count }, (_, i) => i);

function unetConfig(shapes: Shapes): UNetConfig {
  const levels = indices(shapes.count('unet.down_blocks'));
  const crossAttention = [...shapes.weights.keys()].find(
    (name) => name.startsWith('unet.') && name.endsWith('.attn2.to_k.weight'),
  );
  if (crossAttention === undefined) shapes.fail('the UNet has no cross-attention');
  return {
    ...stableDiffusion15.unet,
    in_channels: shapes.dim('unet.conv_in.weight', 1),
    out_channels: shapes.dim('unet.conv_out.weight', 0),
    block_out_channels: levels.map((level) =>
      shapes.dim(`unet.down_blocks.${level}.resnets.0.conv1.weight`, 0),
    ),
    layers_per_block: shapes.count('unet.down_blocks.0.resnets'),
    down_block_types: levels.map((level) =>
      shapes.has(`unet.down_blocks.${level}.attentions`) ? 'CrossAttnDownBlock2D' : 'DownBlock2D',
    ),
    up_block_types: levels.map((level) =>
      shapes.has(`unet.up_blocks.${level}.attentions`) ? 'CrossAttnUpBlock2D' : 'UpBlock2D',
    ),
    cross_attention_dim: shapes.dim(crossAttention, 1),
  };
}

function vaeConfig(shapes: Shapes): VaeConfig {
  const levels = indices(shapes.count('vae.encoder.down_blocks'));
  return {
    ...stableDiffusion15.vae,
    in_channels: shapes.dim('vae.encoder.conv_in.weight', 1),
    out_channels: shapes.dim('vae.decoder.conv_out.weight', 0),
    latent_channels: shapes.dim('vae.post_quant_conv.weight', 0),
    block_out_channels: levels.map((level) =>
      shapes.dim(`vae.encoder.down_blocks.${level}.resnets.0.conv1.weight`, 0),
    ),
    layers_per_block: shapes.count('vae.encoder.down_blocks.0.resnets'),
  };
}

function clipConfig(shapes: Shapes): ClipTextConfig {
  const width = shapes.dim('text_encoder.text_model.embeddings.token_embedding.weight', 1);
  return {
    ...stableDiffusion15.textEncoder,
    vocab_size: shapes.dim('text_encoder.text_model.embeddings.token_embedding.weight', 0),
    max_position_embeddings: shapes.dim(
      'text_encoder.text_model.embeddings.position_embedding.weight',
      0,
    ),
    hidden_size: width,
    intermediate_size: shapes.dim('text_encoder.text_model.encoder.layers.0.mlp.fc1.weight', 0),
    num_hidden_layers: shapes.count('text_encoder.text_model.encoder.layers'),
    num_attention_heads: Math.max(1, Math.round(width / 64)),
  };
}
