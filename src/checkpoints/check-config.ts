// Do the sizes of a model fit together? Checked before a graph is built from them.

import { CheckpointError } from '../errors.ts';
import type {
  ClipTextConfig,
  StableDiffusionConfig,
  UNetConfig,
  VaeConfig,
} from '../models/stable-diffusion-config.ts';

type Check = readonly [holds: boolean, what: string];

/** Throws one CheckpointError that lists every size that does not fit. */
export function checkConfig({ unet, vae, textEncoder }: StableDiffusionConfig, path: string): void {
  const checks: Check[] = [
    [
      unet.in_channels === vae.latent_channels,
      `the UNet's in_channels is ${unet.in_channels}, but the autoencoder's latent_channels is ${vae.latent_channels}`,
    ],
    [
      unet.out_channels === unet.in_channels,
      `the UNet's out_channels is ${unet.out_channels}, but its in_channels is ${unet.in_channels}`,
    ],
    [
      unet.cross_attention_dim === textEncoder.hidden_size,
      `the UNet's cross_attention_dim is ${unet.cross_attention_dim}, but the text encoder's hidden_size is ${textEncoder.hidden_size}`,
    ],
    ...unetChecks(unet),
    ...divides('the UNet', unet.block_out_channels, unet.norm_num_groups, 'groups'),
    ...vaeChecks(vae),
    ...textChecks(textEncoder),
  ];
  const problems = checks
    .filter(([holds]) => !holds)
    .map(([, what]) => ({
      where: path,
      what,
      fix: 'Download the model again, or name another one as base_model.',
    }));
  if (problems.length > 0) throw new CheckpointError(problems);
}

function unetChecks(unet: UNetConfig): Check[] {
  const { block_out_channels: channels, down_block_types: down, up_block_types: up } = unet;
  const attended = channels.filter(
    (_, level) =>
      down[level] === 'CrossAttnDownBlock2D' ||
      up[up.length - 1 - level] === 'CrossAttnUpBlock2D' ||
      level === channels.length - 1,
  );
  return [
    [
      down.length === channels.length,
      `the UNet's down_block_types has ${down.length} entries, block_out_channels ${channels.length}`,
    ],
    [
      up.length === channels.length,
      `the UNet's up_block_types has ${up.length} entries, block_out_channels ${channels.length}`,
    ],
    ...divides('the UNet', attended, unet.attention_head_dim, 'heads'),
  ];
}

function vaeChecks(vae: VaeConfig): Check[] {
  return divides('the autoencoder', vae.block_out_channels, vae.norm_num_groups, 'groups');
}

function textChecks(text: ClipTextConfig): Check[] {
  return divides('the text encoder', [text.hidden_size], text.num_attention_heads, 'heads');
}

function divides(model: string, channels: readonly number[], parts: number, word: string): Check[] {
  return [...new Set(channels)].map((count) => [
    count % parts === 0,
    `the ${count} channels of ${model} cannot be divided into ${parts} ${word}`,
  ]);
}
