// The variational autoencoder of Stable Diffusion: pixels to latents and back (Esser et al. 2021;
// Kingma & Welling 2013); parameters named as diffusers' AutoencoderKL.
//
// The UNet works on latents multiplied by `scaling_factor`, so that their variance is about 1:
//   latents = scaling_factor · z,   z = mean + exp(logvar / 2) · noise

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { attention } from '../nn/attention.ts';
import { conv2d } from '../nn/conv2d.ts';
import { groupNorm } from '../nn/group-norm.ts';
import { fromTokens, toTokens } from '../nn/tokens.ts';
import { downsample, resnet, upsample } from './resnet.ts';
import { latentFactor, type VaeConfig } from './stable-diffusion-config.ts';

/** The Gaussian a picture is encoded as; both [N, latent_channels, h, w], not scaled. */
export interface Moments {
  readonly mean: Value;
  /** Logarithm of the variance, within [-30, 20]. */
  readonly logvar: Value;
}

const EPSILON = 1e-6;
/** Halving pads below and on the right only. */
const ENCODER_PADS = [0, 0, 1, 1] as const;

/**
 * pixels [N, in_channels, H, W] in [-1, 1], H and W multiples of latentFactor -> moments [N,
 * latent_channels, H / factor, W / factor].
 */
export function encodeMoments(
  g: Builder,
  config: VaeConfig,
  pixels: Value,
  { prefix = 'vae' } = {},
): Moments {
  requireMultiple(pixels, latentFactor(config));
  return g.scoped(prefix, () => {
    const moments = conv2d(
      g,
      'quant_conv',
      encoder(g, config, pixels),
      2 * config.latent_channels,
      { kernel: 1 },
    );
    const mean = g.slice(moments, 1, 0, config.latent_channels);
    const logvar = g.slice(moments, 1, config.latent_channels, 2 * config.latent_channels);
    return { mean, logvar: g.min(g.max(logvar, -30), 20) };
  });
}

/**
 * z [N, latent_channels, h, w], not scaled -> pixels [N, out_channels, h · factor, w · factor],
 * about [-1, 1] and not clamped.
 */
export function decode(g: Builder, config: VaeConfig, z: Value, { prefix = 'vae' } = {}): Value {
  return g.scoped(prefix, () => {
    const states = conv2d(g, 'post_quant_conv', z, config.latent_channels, { kernel: 1 });
    return g.scoped('decoder', () => decoder(g, config, states));
  });
}

/** z = latents / scaling_factor: from the UNet to the decoder. */
export function unscaleLatents(g: Builder, config: VaeConfig, latents: Value): Value {
  return g.div(latents, config.scaling_factor);
}

function encoder(g: Builder, config: VaeConfig, pixels: Value): Value {
  const { block_out_channels: channels, layers_per_block, latent_channels } = config;
  return g.scoped('encoder', () => {
    const last = channels.length - 1;
    const x = channels.reduce(
      (y, width, i) => {
        const path = `down_blocks.${i}`;
        const states = resnets(g, path, y, width, layers_per_block, config);
        return i < last
          ? g.scoped(path, () => downsample(g, 'downsamplers.0', states, ENCODER_PADS))
          : states;
      },
      conv2d(g, 'conv_in', pixels, channels[0]),
    );
    return head(g, config, middle(g, config, x), 2 * latent_channels);
  });
}

function decoder(g: Builder, config: VaeConfig, z: Value): Value {
  const { layers_per_block, out_channels } = config;
  const channels = config.block_out_channels.toReversed();
  const last = channels.length - 1;
  const x = channels.reduce(
    (y, width, i) => {
      const path = `up_blocks.${i}`;
      const states = resnets(g, path, y, width, layers_per_block + 1, config);
      return i < last ? g.scoped(path, () => upsample(g, 'upsamplers.0', states)) : states;
    },
    middle(g, config, conv2d(g, 'conv_in', z, channels[0])),
  );
  return head(g, config, x, out_channels);
}

function resnets(
  g: Builder,
  path: string,
  x: Value,
  channels: number,
  count: number,
  config: VaeConfig,
): Value {
  const indices = Array.from({ length: count }, (_, i) => i);
  return g.scoped(path, () =>
    indices.reduce((y, i) => resnet(g, `resnets.${i}`, y, { channels, norm: norm(config) }), x),
  );
}

/** Residual block, attention of one head over all places, residual block. */
function middle(g: Builder, config: VaeConfig, x: Value): Value {
  const options = { channels: x.shape[1], norm: norm(config) };
  return g.scoped('mid_block', () => {
    const looked = spatialAttention(g, 'attentions.0', resnet(g, 'resnets.0', x, options), config);
    return resnet(g, 'resnets.1', looked, options);
  });
}

function spatialAttention(g: Builder, path: string, x: Value, config: VaeConfig): Value {
  const [, , height, width] = x.shape;
  const normed = g.scoped(path, () => groupNorm(g, 'group_norm', x, norm(config)));
  const tokens = g.scoped(path, () => toTokens(g, normed)); // [N, h·w, C]
  const looked = attention(g, path, tokens, tokens, { heads: 1, bias: true });
  return g.scoped(path, () => g.add(fromTokens(g, looked, height, width), x));
}

function head(g: Builder, config: VaeConfig, x: Value, channels: number): Value {
  return conv2d(g, 'conv_out', g.swish(groupNorm(g, 'conv_norm_out', x, norm(config))), channels);
}

function norm(config: VaeConfig) {
  return { groups: config.norm_num_groups, epsilon: EPSILON };
}

function requireMultiple(pixels: Value, factor: number): void {
  if (pixels.shape[2] % factor !== 0 || pixels.shape[3] % factor !== 0) {
    throw new InternalError(
      `the autoencoder takes pictures whose sides are multiples of ${factor}, not ${pixels.shape[3]}×${pixels.shape[2]}`,
    );
  }
}
