// Stable Diffusion's three models as graphs of their own, for one shape each.

import { Builder } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { decode, encodeMoments, unscaleLatents } from './autoencoder-kl.ts';
import { clipTextEncoder } from './clip-text.ts';
import type { ClipTextConfig, UNetConfig, VaeConfig } from './stable-diffusion-config.ts';
import { unet } from './unet.ts';

/** `input_ids` [N, T] int32 -> `text_states` [N, T, hidden_size]. */
export function textEncoderGraph(config: ClipTextConfig, ids: Shape, clipSkip = 1): Graph {
  const g = new Builder('text-encoder');
  g.output(
    'text_states',
    clipTextEncoder(g, config, g.input('input_ids', 'int32', ids), { clipSkip }),
  );
  return g.finish();
}

/**
 * `latents` [N, C, h, w], scaled; `timesteps` [N]; `text_states` [N, T, D] -> `prediction` of the
 * latents' shape.
 */
export function unetGraph(config: UNetConfig, latents: Shape, textStates: Shape): Graph {
  const g = new Builder('unet');
  const inputs = {
    latents: g.input('latents', 'float32', latents),
    timesteps: g.input('timesteps', 'float32', latents.slice(0, 1)),
    context: g.input('text_states', 'float32', textStates),
  };
  g.output('prediction', unet(g, config, inputs));
  return g.finish();
}

/** `pixels` [N, 3, H, W] in [-1, 1] -> `mean` and `logvar` [N, C, h, w], not scaled. */
export function encoderGraph(config: VaeConfig, pixels: Shape): Graph {
  const g = new Builder('vae-encoder');
  const { mean, logvar } = encodeMoments(g, config, g.input('pixels', 'float32', pixels));
  g.output('mean', mean);
  g.output('logvar', logvar);
  return g.finish();
}

/** `latents` [N, C, h, w], scaled -> `pixels` [N, 3, H, W], about [-1, 1]. */
export function decoderGraph(config: VaeConfig, latents: Shape): Graph {
  const g = new Builder('vae-decoder');
  g.output(
    'pixels',
    decode(g, config, unscaleLatents(g, config, g.input('latents', 'float32', latents))),
  );
  return g.finish();
}
