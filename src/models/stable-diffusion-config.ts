// The sizes of a Stable Diffusion 1.x model, spelled as in the config.json files of a diffusers
// folder.

export type DownBlockType = 'DownBlock2D' | 'CrossAttnDownBlock2D';
export type UpBlockType = 'UpBlock2D' | 'CrossAttnUpBlock2D';

/** `unet/config.json` of a UNet2DConditionModel. */
export interface UNetConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  /** Latent height and width the model was trained at; any other size runs too. */
  readonly sample_size: number;
  /** Channels of each level, finest first. */
  readonly block_out_channels: readonly number[];
  /** Residual blocks of a down level; an up level has one more. */
  readonly layers_per_block: number;
  /** One for each level, finest first. */
  readonly down_block_types: readonly DownBlockType[];
  /** One for each level, coarsest first. */
  readonly up_block_types: readonly UpBlockType[];
  /** In SD 1.x this is the number of heads (not their width), the same at every level. */
  readonly attention_head_dim: number;
  /** Width of the text states. */
  readonly cross_attention_dim: number;
  /** Groups of every GroupNorm. */
  readonly norm_num_groups: number;
  /**
   * Of the residual blocks' and the last GroupNorm; the transformers' GroupNorm has 1e-6 always.
   */
  readonly norm_eps: number;
  /** true: the time embedding is [cos, sin]. */
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
}

/**
 * `vae/config.json` of an AutoencoderKL. The factor between pixels and latents is 2^(levels - 1).
 */
export interface VaeConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly latent_channels: number;
  /** Channels of each level, finest first. */
  readonly block_out_channels: readonly number[];
  /** Residual blocks of an encoder level; a decoder level has one more. */
  readonly layers_per_block: number;
  /** Groups of every GroupNorm (their eps is 1e-6). */
  readonly norm_num_groups: number;
  /** The UNet's latents are the autoencoder's times this. */
  readonly scaling_factor: number;
}

/** `text_encoder/config.json` of a CLIPTextModel. */
export interface ClipTextConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly hidden_act: 'quick_gelu' | 'gelu';
  readonly layer_norm_eps: number;
}

/** `scheduler/scheduler_config.json`: the noise schedule the model was trained with. */
export interface NoiseScheduleConfig {
  readonly num_train_timesteps: number;
  readonly beta_start: number;
  readonly beta_end: number;
  readonly beta_schedule: 'scaled_linear' | 'linear';
  readonly prediction_type: 'epsilon' | 'v_prediction';
  /** Zero terminal SNR: at the last timestep there is nothing but noise. */
  readonly rescale_betas_zero_snr: boolean;
}

export interface StableDiffusionConfig {
  readonly unet: UNetConfig;
  readonly vae: VaeConfig;
  readonly textEncoder: ClipTextConfig;
  readonly scheduler: NoiseScheduleConfig;
}

/** Pixels along one side of a latent: 8 in SD 1.5. */
export function latentFactor(vae: VaeConfig): number {
  return 2 ** (vae.block_out_channels.length - 1);
}

/**
 * Pixels of which the sides of a picture must be multiples. The autoencoder halves whole sizes
 * only; the UNet takes latents of any size, because its up path takes each size from its down path.
 */
export const pictureUnit = ({ vae }: Pick<StableDiffusionConfig, 'vae'>): number =>
  latentFactor(vae);

/** The side in pixels of the pictures that the UNet was made for: 512 in SD 1.5. */
export const nativeSide = ({ unet, vae }: Pick<StableDiffusionConfig, 'unet' | 'vae'>): number =>
  unet.sample_size * latentFactor(vae);

/** The configuration of Stable Diffusion 1.5. */
export const stableDiffusion15: StableDiffusionConfig = {
  unet: {
    in_channels: 4,
    out_channels: 4,
    sample_size: 64,
    block_out_channels: [320, 640, 1280, 1280],
    layers_per_block: 2,
    down_block_types: [
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'DownBlock2D',
    ],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
    attention_head_dim: 8,
    cross_attention_dim: 768,
    norm_num_groups: 32,
    norm_eps: 1e-5,
    flip_sin_to_cos: true,
    freq_shift: 0,
  },
  vae: {
    in_channels: 3,
    out_channels: 3,
    latent_channels: 4,
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    norm_num_groups: 32,
    scaling_factor: 0.18215,
  },
  textEncoder: {
    vocab_size: 49408,
    max_position_embeddings: 77,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    hidden_act: 'quick_gelu',
    layer_norm_eps: 1e-5,
  },
  scheduler: {
    num_train_timesteps: 1000,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    prediction_type: 'epsilon',
    rescale_betas_zero_snr: false,
  },
};
