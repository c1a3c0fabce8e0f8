// What kind of model a safetensors file holds, told from its tensor names, and what to do when it
// is not SD 1.x.

import { CheckpointError } from '../errors.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';

export type Tensors = ReadonlyMap<string, ExternalTensor>;

interface Kind {
  readonly matches: (tensors: Tensors) => boolean;
  readonly what: string;
  readonly fix: string;
}

const useSd1 =
  'Name a Stable Diffusion 1.x checkpoint (for instance v1-5-pruned.safetensors or a diffusers folder) as base_model.';

const hasName = (pattern: RegExp) => (tensors: Tensors) =>
  [...tensors.keys()].some((name) => pattern.test(name));
const dim = (tensors: Tensors, name: string, axis: number) => tensors.get(name)?.shape[axis];

const complete = (tensors: Tensors) =>
  tensors.has('model.diffusion_model.input_blocks.0.0.weight') &&
  hasName(/^first_stage_model\./)(tensors) &&
  hasName(/^cond_stage_model\.transformer\./)(tensors);

const linearProjection = (tensors: Tensors) =>
  [...tensors].some(
    ([name, { shape }]) =>
      name.startsWith('model.diffusion_model.') &&
      name.endsWith('.proj_in.weight') &&
      shape.length === 2,
  );

/** The first that matches; SD 1.x itself is what none of them is. */
const others: readonly Kind[] = [
  {
    matches: hasName(
      /^lora_(unet|te\d?)_|\.lora_(A|B|down|up)\.(default\.)?weight$|\.lora\.(down|up)\.weight$|\.hada_w1_a$|\.lokr_w1(_a)?$/,
    ),
    what: 'this is a LoRA, not a base model',
    fix: `A LoRA is trained on top of a base. ${useSd1}`,
  },
  {
    matches: hasName(/^conditioner\.embedders\.1\.model\./),
    what: 'this is a Stable Diffusion XL model, not Stable Diffusion 1.x',
    fix: `SDXL is not supported yet. ${useSd1}`,
  },
  {
    matches: hasName(/^conditioner\.embedders\.0\.model\./),
    what: 'this is the refiner of Stable Diffusion XL, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  {
    matches: (tensors) =>
      hasName(/^cond_stage_model\.model\.transformer\.resblocks\./)(tensors) ||
      (tensors.has('model.diffusion_model.input_blocks.0.0.weight') && linearProjection(tensors)),
    what: 'this is a Stable Diffusion 2.x model, not Stable Diffusion 1.x',
    fix: `SD 2.x is not supported yet. ${useSd1}`,
  },
  {
    matches: hasName(
      /^(model\.diffusion_model\.)?(joint_blocks|double_blocks|single_blocks|single_transformer_blocks)\./,
    ),
    what: 'this is a diffusion transformer (Stable Diffusion 3, FLUX or a relative), not Stable Diffusion 1.x',
    fix: useSd1,
  },
  {
    matches: hasName(/^(control_model\.|controlnet_|zero_convs\.|input_hint_block\.)/),
    what: 'this is a ControlNet, not a base model',
    fix: useSd1,
  },
  {
    matches: (tensors) =>
      (dim(tensors, 'model.diffusion_model.input_blocks.0.0.weight', 1) ?? 4) > 4,
    what: 'this is an inpainting or image-editing model (its UNet takes more than the 4 latent channels), not plain Stable Diffusion 1.x',
    fix: `Name the model it was made from. ${useSd1}`,
  },
  {
    matches: (tensors) =>
      !complete(tensors) &&
      hasName(
        /^(first_stage_model\.)?(encoder\.|decoder\.)(down|up|mid|conv_in|down_blocks|up_blocks|mid_block)\b/,
      )(tensors) &&
      !hasName(/^(model\.diffusion_model|cond_stage_model)\./)(tensors),
    what: 'this is an autoencoder (VAE) alone, not a complete model',
    fix: useSd1,
  },
  {
    matches: (tensors) =>
      !complete(tensors) && hasName(/^down_blocks\.\d+\.(resnets|attentions)\./)(tensors),
    what: 'this is one part of a diffusers folder (the UNet alone), not a complete model',
    fix: 'Name the folder that holds unet/, vae/ and text_encoder/ as base_model.',
  },
  {
    matches: (tensors) =>
      !complete(tensors) &&
      hasName(/^(text_model\.)?(embeddings\.token_embedding|encoder\.layers)\b/)(tensors),
    what: 'this is a text encoder alone, not a complete model',
    fix: 'Name the folder that holds unet/, vae/ and text_encoder/, or a single-file checkpoint, as base_model.',
  },
  {
    matches: (tensors) =>
      tensors.has('emb_params') ||
      (tensors.size <= 3 && hasName(/^(clip_l|clip_g|string_to_param)/)(tensors)),
    what: 'this is a textual inversion embedding, not a base model',
    fix: useSd1,
  },
  {
    matches: hasName(/^model\.layers\.\d+\.self_attn\./),
    what: 'this is a language model, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  {
    matches: (tensors) =>
      !complete(tensors) &&
      hasName(/^(model\.diffusion_model|first_stage_model|cond_stage_model)\./)(tensors),
    what: 'this file has only some of the three parts of Stable Diffusion 1.x (UNet, autoencoder, text encoder)',
    fix: `A pruned file may lack parts; find the complete one. ${useSd1}`,
  },
  {
    matches: (tensors) => !complete(tensors),
    what: 'this is not a Stable Diffusion 1.x model: none of its tensor names are known',
    fix: useSd1,
  },
];

/**
 * Throws CheckpointError that says what the file is, unless it is a complete single-file Stable
 * Diffusion 1.x.
 */
export function requireStableDiffusion1(tensors: Tensors, path: string): void {
  const kind = others.find(({ matches }) => matches(tensors));
  if (kind !== undefined)
    throw new CheckpointError([{ where: path, what: kind.what, fix: kind.fix }]);
}
