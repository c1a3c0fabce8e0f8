// Two small Stable Diffusion configurations for tests; reference/stable_diffusion.py holds the
// same.

import { stableDiffusion15, type StableDiffusionConfig } from './stable-diffusion-config.ts';

/**
 * Like models/tiny-sd: four levels, attention at the two in the middle, one layer a block, an
 * autoencoder with factor 4.
 */
export const smallConfig: StableDiffusionConfig = {
  unet: {
    ...stableDiffusion15.unet,
    sample_size: 16,
    block_out_channels: [16, 24, 32, 40],
    layers_per_block: 1,
    down_block_types: [
      'DownBlock2D',
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'DownBlock2D',
    ],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    attention_head_dim: 4,
    cross_attention_dim: 32,
    norm_num_groups: 8,
  },
  vae: {
    ...stableDiffusion15.vae,
    block_out_channels: [8, 16, 24],
    layers_per_block: 1,
    norm_num_groups: 4,
  },
  textEncoder: {
    ...stableDiffusion15.textEncoder,
    vocab_size: 100,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
  },
  scheduler: stableDiffusion15.scheduler,
};

/**
 * Other counts of everything: two levels, two layers, sine first, shifted frequencies, erf gelu,
 * twelve token positions, three latent channels.
 */
export const otherConfig: StableDiffusionConfig = {
  unet: {
    ...stableDiffusion15.unet,
    sample_size: 8,
    block_out_channels: [12, 18],
    layers_per_block: 2,
    down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
    attention_head_dim: 3,
    cross_attention_dim: 20,
    norm_num_groups: 6,
    norm_eps: 1e-4,
    flip_sin_to_cos: false,
    freq_shift: 1,
  },
  vae: {
    ...stableDiffusion15.vae,
    latent_channels: 3,
    block_out_channels: [6, 9],
    layers_per_block: 2,
    norm_num_groups: 3,
  },
  textEncoder: {
    ...stableDiffusion15.textEncoder,
    vocab_size: 50,
    max_position_embeddings: 12,
    hidden_size: 20,
    intermediate_size: 48,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    hidden_act: 'gelu',
  },
  scheduler: stableDiffusion15.scheduler,
};
