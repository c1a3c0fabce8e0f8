// The sizes of the embedded base model.

import {
  stableDiffusion15,
  type StableDiffusionConfig,
} from '../../src/models/stable-diffusion-config.ts';

/** Pixels along one side of the pictures it is trained on. */
export const PICTURE_SIDE = 128;

export const tinyStableDiffusion: StableDiffusionConfig = {
  unet: {
    ...stableDiffusion15.unet,
    sample_size: 32,
    block_out_channels: [48, 96, 128, 160],
    layers_per_block: 1,
    down_block_types: [
      'DownBlock2D',
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'DownBlock2D',
    ],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    attention_head_dim: 4,
    cross_attention_dim: 64,
    norm_num_groups: 8,
  },
  vae: {
    ...stableDiffusion15.vae,
    block_out_channels: [24, 48, 96],
    layers_per_block: 1,
    norm_num_groups: 4,
  },
  textEncoder: {
    ...stableDiffusion15.textEncoder,
    hidden_size: 64,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
  },
  scheduler: stableDiffusion15.scheduler,
};
