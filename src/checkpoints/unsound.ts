// Numbers that are NaN or infinite in what a model computes: which stage, which tensor, which
// sample, and which of the weights are at fault.

import { CheckpointError, UserError, type Problem } from '../errors.ts';
import { countUnsound } from '../tensor/finite.ts';
import { isExternal, sizeOf, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { readTensor } from './safetensors-file.ts';

/** A part of a model, and all that its outputs are computed from. */
export interface Stage {
  /** For messages: `text encoder`. */
  readonly name: string;
  /** Frozen weights, those of other stages among them. */
  readonly weights: ReadonlyMap<string, Tensor | ExternalTensor>;
  /** What the names of this stage's weights begin with; default: it has all. */
  readonly prefixes?: readonly string[];
  /** Weights of the adapter that it is computed with, and its strength. */
  readonly adapter?: ReadonlyMap<string, Tensor>;
}

type PictureStage = 'textEncoder' | 'unet' | 'encoder' | 'decoder';

/** The stages of a Stable Diffusion, as messages name them and by their weights. */
export const pictureStages = {
  textEncoder: { name: 'text encoder', prefixes: ['text_encoder.'] },
  unet: { name: 'UNet', prefixes: ['unet.'] },
  encoder: { name: "autoencoder's encoder", prefixes: ['vae.encoder.', 'vae.quant_conv.'] },
  decoder: { name: "autoencoder's decoder", prefixes: ['vae.decoder.', 'vae.post_quant_conv.'] },
} as const satisfies { readonly [K in PictureStage]: Omit<Stage, 'weights'> };

/** A tensor that a stage has computed. */
export interface Output {
  /** The graph's name of it. */
  readonly name: string;
  readonly tensor: Pick<Tensor, 'dtype' | 'data'>;
  /** What it was computed for: a picture, a prompt … */
  readonly sample: string;
}

/**
 * Throws CheckpointError where an output has numbers that are NaN or infinite, with the weights
 * that have such numbers, or UserError where none has; only then are the weights read.
 */
export function requireSoundOutput(output: Output, stage: Stage): void {
  const count = countUnsound(output.tensor);
  if (count === 0) return;
  const what = `the ${stage.name} gives ${output.name} for ${output.sample} in which ${counted(count, output.tensor.data.length)}`;
  throw unsoundError(what, stage);
}

/**
 * Throws CheckpointError where weights of the stage are not finite although what it gives for a
 * sample is: limits of the model hide an infinity.
 */
export function requireSoundWeights(stage: Stage, sample: string): void {
  if (culprits(weightsOf(stage)).length === 0) return;
  throw unsoundError(`the ${stage.name} gives finite but wrong numbers for ${sample}`, stage);
}

/**
 * `what`, and the cause of it as far as the weights tell: CheckpointError where they are at fault,
 * else UserError with what `otherwise` says.
 */
export function unsoundError(
  what: string,
  stage: Stage,
  otherwise: Partial<Problem> = {},
): UserError {
  const base = culprits(weightsOf(stage));
  if (base.length > 0)
    return new CheckpointError([
      {
        where: fileOf(base[0].tensor) ?? `the ${stage.name}`,
        what: `${what}. Weights of ${ownerOf(base[0].name)} are at fault: ${listed(base)}`,
        fix: 'The file is damaged, or was saved that way: download it again, or use another base model.',
      },
    ]);
  const adapter = culprits([...(stage.adapter ?? [])]);
  if (adapter.length > 0)
    return new CheckpointError([
      {
        where: `the ${stage.name}`,
        what: `${what}. The adapter's weights are at fault: ${listed(adapter)}`,
        fix: 'Use another copy of the adapter, or train it again with a smaller learning_rate.',
      },
    ]);
  return new UserError([{ where: placeOf(stage), what, fix: OVERFLOW, ...otherwise }]);
}

const OVERFLOW =
  'All weights are finite, so the numbers grow beyond float32 while they are computed: try the base model in another program, or a smaller strength (alpha) of the adapter.';

/** The part of the base model that has a weight: a stage, where it is a Stable Diffusion. */
function ownerOf(weight: string): string {
  const stage = Object.values(pictureStages).find(({ prefixes }) =>
    prefixes.some((prefix) => weight.startsWith(prefix)),
  );
  return stage === undefined ? 'the base model' : `the ${stage.name} of the base model`;
}

type Named = readonly [string, Tensor | ExternalTensor];

const weightsOf = ({ weights, prefixes = [''] }: Stage): Named[] =>
  [...weights].filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)));

interface Culprit {
  readonly name: string;
  readonly tensor: Tensor | ExternalTensor;
  readonly count: number;
}

/** The tensors that are not finite, one read after the other. */
function culprits(weights: readonly Named[]): Culprit[] {
  return weights
    .map(([name, tensor]) => ({
      name,
      tensor,
      count: countUnsound(isExternal(tensor) ? readTensor(tensor) : tensor),
    }))
    .filter(({ count }) => count > 0);
}

const MOST_NAMED = 3;

/** The first of them, and how many there are. */
function listed(found: readonly Culprit[]): string {
  const named = found
    .slice(0, MOST_NAMED)
    .map(({ name, tensor, count }) => `${name}, in which ${counted(count, sizeOf(tensor.shape))}`);
  const more = found.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

const counted = (count: number, all: number): string =>
  `${count} of ${all} ${all === 1 ? 'number' : 'numbers'} ${count === 1 ? 'is' : 'are'} NaN or infinite`;

const fileOf = (tensor: Tensor | ExternalTensor): string | undefined =>
  isExternal(tensor) ? tensor.path : undefined;

const placeOf = (stage: Stage): string => {
  const [first] = weightsOf(stage);
  return (first && fileOf(first[1])) ?? `the ${stage.name}`;
};
