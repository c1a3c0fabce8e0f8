// The config.json files of a diffusers folder, as schemas: what we read, and what a model must not
// ask for.

import { z } from 'zod';

/** Sizes are far below this; a damaged file must not make a model of a billion layers. */
const count = z
  .int()
  .positive()
  .max(1 << 20);
const layers = count.max(256);
const counts = z.array(count).min(1).max(16);

/**
 * An option that only has the value our models implement; a file that leaves it out means that
 * value.
 */
const only = (value: string | number | boolean | null) =>
  z
    .unknown()
    .optional()
    .refine((found) => found === undefined || found === null || found === value, {
      error: ({ input }) =>
        `is ${JSON.stringify(input)}; only ${JSON.stringify(value)} is supported`,
    });

/** What the models we build do not vary in. */
export const limits = {
  unet: z.object({
    act_fn: only('silu'),
    mid_block_type: only('UNetMidBlock2DCrossAttn'),
    resnet_time_scale_shift: only('default'),
    time_embedding_type: only('positional'),
    downsample_padding: only(1),
    mid_block_scale_factor: only(1),
    transformer_layers_per_block: only(1),
    use_linear_projection: only(false),
    only_cross_attention: only(false),
    dual_cross_attention: only(false),
    center_input_sample: only(false),
    class_embed_type: only(null),
    addition_embed_type: only(null),
    encoder_hid_dim: only(null),
    encoder_hid_dim_type: only(null),
    time_cond_proj_dim: only(null),
    conv_in_kernel: only(3),
    conv_out_kernel: only(3),
    resnet_out_scale_factor: only(1),
    cross_attention_norm: only(null),
    num_class_embeds: only(null),
  }),
  vae: z.object({
    down_block_types: z.array(z.literal('DownEncoderBlock2D')).optional(),
    up_block_types: z.array(z.literal('UpDecoderBlock2D')).optional(),
    act_fn: only('silu'),
    shift_factor: only(0),
    use_quant_conv: only(true),
    use_post_quant_conv: only(true),
    mid_block_add_attention: only(true),
  }),
  scheduler: z.object({
    trained_betas: only(null),
  }),
};

/** Defaults are those of diffusers' own constructors, for files that leave fields out. */
export const unetConfig = z
  .object({
    in_channels: count.default(4),
    out_channels: count.default(4),
    sample_size: z.union([count, z.null()]).default(null),
    block_out_channels: counts.default([320, 640, 1280, 1280]),
    layers_per_block: layers.default(2),
    down_block_types: z
      .array(z.enum(['DownBlock2D', 'CrossAttnDownBlock2D']))
      .default([
        'CrossAttnDownBlock2D',
        'CrossAttnDownBlock2D',
        'CrossAttnDownBlock2D',
        'DownBlock2D',
      ]),
    up_block_types: z
      .array(z.enum(['UpBlock2D', 'CrossAttnUpBlock2D']))
      .default(['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D']),
    attention_head_dim: count.default(8),
    num_attention_heads: z.union([count, z.null()]).optional(),
    cross_attention_dim: count.default(1280),
    norm_num_groups: count.default(32),
    norm_eps: z.number().positive().default(1e-5),
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().default(0),
  })
  .transform(({ num_attention_heads, ...config }) => ({
    ...config,
    attention_head_dim: num_attention_heads ?? config.attention_head_dim,
    sample_size: config.sample_size ?? 64,
  }));

export const vaeConfig = z.object({
  in_channels: count.default(3),
  out_channels: count.default(3),
  latent_channels: count.default(4),
  block_out_channels: counts.default([64]),
  layers_per_block: layers.default(1),
  norm_num_groups: count.default(32),
  scaling_factor: z.number().positive().default(0.18215),
});

export const clipTextConfig = z.object({
  vocab_size: count.default(49408),
  max_position_embeddings: count.default(77),
  hidden_size: count.default(512),
  intermediate_size: count.default(2048),
  num_hidden_layers: layers.default(12),
  num_attention_heads: count.default(8),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
});

export const schedulerConfig = z.object({
  num_train_timesteps: count.default(1000),
  beta_start: z.number().positive().default(0.0001),
  beta_end: z.number().positive().default(0.02),
  beta_schedule: z.enum(['scaled_linear', 'linear']).default('linear'),
  prediction_type: z.enum(['epsilon', 'v_prediction']).default('epsilon'),
  rescale_betas_zero_snr: z.boolean().default(false),
});
