// Which layers of Stable Diffusion 1.x carry an adapter: the sets that kohya's networks.lora has.

import type { Layer } from './layers.ts';
import type { LoraSize } from './lora-module.ts';

export interface TargetOptions {
  readonly lora_rank: number;
  readonly lora_alpha: number;
  /** 0: none. */
  readonly conv_rank: number;
  readonly conv_alpha: number;
  readonly train_unet: boolean;
  readonly train_text_encoder: boolean;
}

const UNET_ATTENTION = /^unet\.(down_blocks|mid_block|up_blocks)\..*attentions\./;
const UNET_RESIDUAL =
  /^unet\.(down_blocks|mid_block|up_blocks)\..*(resnets|downsamplers|upsamplers)\./;
const TEXT_ENCODER = /^text_encoder\..*\.(self_attn|mlp)\./;

/**
 * The size of a layer's adapter, or undefined for none; 3×3 kernels take conv_rank, all others
 * lora_rank.
 */
export function stableDiffusionTargets(
  options: TargetOptions,
): (layer: Layer) => LoraSize | undefined {
  const small = { rank: options.lora_rank, alpha: options.lora_alpha };
  const wide = { rank: options.conv_rank, alpha: options.conv_alpha };
  const isWide = ({ weightShape }: Layer) =>
    weightShape.length === 4 && weightShape[2] * weightShape[3] > 1;
  return (layer) => {
    if (TEXT_ENCODER.test(layer.path)) return options.train_text_encoder ? small : undefined;
    if (!options.train_unet) return undefined;
    if (UNET_ATTENTION.test(layer.path)) return small;
    if (options.conv_rank > 0 && UNET_RESIDUAL.test(layer.path))
      return isWide(layer) ? wide : small;
    return undefined;
  };
}
