// The loss graphs that the embedded base is trained with: its autoencoder's, and its UNet's with
// the text encoder.

import { Builder } from '../../src/graph/builder.ts';
import type { Graph, Value } from '../../src/graph/graph.ts';
import { noisePredictionLoss } from '../../src/losses/noise-prediction.ts';
import { decode, encodeMoments } from '../../src/models/autoencoder-kl.ts';
import { clipTextEncoder } from '../../src/models/clip-text.ts';
import type { StableDiffusionConfig } from '../../src/models/stable-diffusion-config.ts';
import { unet } from '../../src/models/unet.ts';

const POOLED_WEIGHT = 2;
const CHROMA_WEIGHT = 2;
const ANCHOR_WEIGHT = 1;
const KL_WEIGHT = 1e-6;

const mean = (g: Builder, x: Value) =>
  g.reduceMean(
    x,
    x.shape.map((_, axis) => axis),
  );

/**
 * MSE + L1 + L1 of the differences between neighbouring pixels + 2 · L1 of the pictures pooled 8×8
 * + 2 · L1 of the colour differences R − G and B − G, pooled 4×4, without which green and purple
 * are learnt last + L1 between the first three latent channels and the picture pooled to their
 * size, without which the encoder spent three of its four channels on one direction of colour +
 * 1e-6 · KL(N(mean, exp(logvar)) ‖ N(0, 1)). Inputs: pixels [n, 3, side, side] in [−1, 1], and
 * noise of the moments' shape, with which the latent is drawn.
 */
export function autoencoderLoss({ vae }: StableDiffusionConfig, n: number, side: number): Graph {
  const g = new Builder('autoencoder');
  const pixels = g.input('pixels', 'float32', [n, 3, side, side]);
  const moments = encodeMoments(g, vae, pixels);
  const noise = g.input('noise', 'float32', moments.mean.shape);
  const z = g.add(moments.mean, g.mul(g.exp(g.mul(moments.logvar, 0.5)), noise));
  const error = g.sub(decode(g, vae, z), pixels);
  const terms = [
    mean(g, g.mul(error, error)),
    mean(g, g.abs(error)),
    mean(g, g.abs(differences(g, error, 2))),
    mean(g, g.abs(differences(g, error, 3))),
    g.mul(mean(g, g.abs(pooled(g, error))), POOLED_WEIGHT),
    g.mul(mean(g, g.abs(chroma(g, pooled(g, error, 4)))), CHROMA_WEIGHT),
    g.mul(anchor(g, moments.mean, pixels), ANCHOR_WEIGHT),
    g.mul(divergence(g, moments), KL_WEIGHT),
  ];
  g.output(
    'loss',
    terms.reduce((sum, term) => g.add(sum, term)),
  );
  return g.finish();
}

function differences(g: Builder, x: Value, axis: number): Value {
  const size = x.shape[axis];
  return g.sub(g.slice(x, axis, 1, size), g.slice(x, axis, 0, size - 1));
}

function pooled(g: Builder, x: Value, size = 8): Value {
  const [n, c, h, w] = x.shape;
  return g.reduceMean(g.reshape(x, [n, c, h / size, size, w / size, size]), [3, 5]);
}

/** How far the first three channels are from the picture in small. */
function anchor(g: Builder, latents: Value, pixels: Value): Value {
  const small = pooled(g, pixels, pixels.shape[2] / latents.shape[2]);
  return mean(g, g.abs(g.sub(g.slice(latents, 1, 0, 3), small)));
}

/** [n, 3, …] → [n, 2, …]: R − G and B − G. */
function chroma(g: Builder, x: Value): Value {
  const green = g.slice(x, 1, 1, 2);
  return g.concat([g.sub(g.slice(x, 1, 0, 1), green), g.sub(g.slice(x, 1, 2, 3), green)], 1);
}

// KL per picture = Σ ½ (mean² + exp(logvar) − 1 − logvar)
function divergence(g: Builder, { mean: mu, logvar }: { mean: Value; logvar: Value }): Value {
  const terms = g.sub(g.add(g.mul(mu, mu), g.exp(logvar)), g.add(logvar, 1));
  return g.mul(g.reduceMean(g.reduceSum(terms, [1, 2, 3]), [0]), 0.5);
}

/**
 * The noise-prediction loss through text encoder and UNet. Inputs: input_ids, noisy_latents,
 * timesteps, target, weights.
 */
export function diffusionLoss(
  config: StableDiffusionConfig,
  n: number,
  side: number,
  tokens: number,
): Graph {
  const g = new Builder('diffusion');
  const shape = [n, config.unet.in_channels, side, side];
  const context = clipTextEncoder(
    g,
    config.textEncoder,
    g.input('input_ids', 'int32', [n, tokens]),
  );
  const latents = g.input('noisy_latents', 'float32', shape);
  const prediction = unet(g, config.unet, {
    latents,
    timesteps: g.input('timesteps', 'float32', [n]),
    context,
  });
  const loss = noisePredictionLoss(
    g,
    prediction,
    g.input('target', 'float32', shape),
    g.input('weights', 'float32', [n]),
  );
  g.output('loss', loss);
  return g.finish();
}
