// One training step of a case, as training builds it: the loss's graph with its adapters, a batch,
// and the adapters' weights; also as a file, from which PyTorch's side takes the same numbers.

import type { Graph, Node } from '../../src/graph/graph.ts';
import { hashedUniforms } from '../../src/models/hashed-weights.test-util.ts';
import { serialize } from '../../src/tensor/safetensors.ts';
import { int32, sizeOf, type Shape, type Tensor } from '../../src/tensor/tensor.ts';
import { adaptModel } from '../../src/train/image/adapted-model.ts';
import { textStep } from '../text-step.ts';
import { CAPTION, type BenchModel, type Case, type ImageModel, type TextModel } from './cases.ts';

export interface Step {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** The adapters' weights, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly segmentOf?: (node: Node) => string | undefined;
}

export function stepOf(model: BenchModel, one: Pick<Case, 'batch' | 'textEncoder'>): Step {
  return model.kind === 'image' ? imageStep(model, one) : languageStep(model, one.batch);
}

function imageStep(
  { config, side, rank }: ImageModel,
  { batch, textEncoder }: Pick<Case, 'batch' | 'textEncoder'>,
): Step {
  const adapted = adaptModel(config, {
    lora_rank: rank,
    lora_alpha: rank,
    conv_rank: 0,
    conv_alpha: 1,
    train_unet: true,
    train_text_encoder: textEncoder,
    unet_lr: 1e-4,
    text_encoder_lr: 1e-4,
    clip_skip: 1,
    seed: 1,
  });
  const latents = [batch, config.unet.in_channels, side, side];
  const inputs = {
    noisy_latents: uniform('noisy_latents', latents, 1.7),
    target: uniform('target', latents, 1.7),
    timesteps: filled([batch], (i) => 17 + ((i * 307) % 900)),
    sample_weights: filled([batch], () => 1 / batch),
    ...(textEncoder
      ? { input_ids: tokenIds([batch, CAPTION], config.textEncoder.vocab_size) }
      : {
          text_states: uniform('states', [batch, CAPTION, config.textEncoder.hidden_size], 1.7),
        }),
  };
  const graph = adapted.lossGraph({ size: batch, height: side, width: side, tokens: CAPTION });
  return { graph, inputs, parameters: awake(adapted.weights) };
}

function languageStep({ config, length, rank }: TextModel, rows: number): Step {
  const ids = tokenIds([rows, length], config.vocab_size);
  const step = textStep(config, { ids, rank });
  return { ...step, parameters: awake(step.parameters) };
}

/** An adapter begins at zero, and its A without a gradient: here B has numbers, too. */
const awake = (weights: ReadonlyMap<string, Tensor<'float32'>>): Map<string, Tensor> =>
  new Map(
    [...weights].map(([name, tensor]) => [
      name,
      name.endsWith('.lora_up.weight') ? uniform(name, tensor.shape, 0.02) : tensor,
    ]),
  );

const uniform = (name: string, shape: Shape, scale: number): Tensor<'float32'> => ({
  dtype: 'float32',
  shape,
  data: hashedUniforms(name, sizeOf(shape)).map((u) => u * scale),
});

const filled = (shape: Shape, at: (i: number) => number): Tensor<'float32'> => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => at(i)),
});

const tokenIds = (shape: Shape, vocabulary: number): Tensor<'int32'> =>
  int32(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919 + 104_729) % vocabulary),
  );

/** Batch and adapters as a safetensors file. */
export const stepFile = ({ inputs, parameters }: Step): Uint8Array =>
  serialize(new Map([...Object.entries(inputs), ...parameters]));
