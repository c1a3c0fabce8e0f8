// Which names of layers ComfyUI and Forge find in an adapter for Stable Diffusion: their tables of
// names are the same there (read, and run by reference/dotted_names.py).

import type { AdapterModule } from '../adapter-files/adapter-file.ts';

/** The names of the latent-diffusion code, which both have whole. */
const LDM =
  /^(lora_unet_|diffusion_model\.)(input_blocks|middle_block|output_blocks|time_embed|out)/;

/**
 * Undefined where the layer itself is not known here. Both look for attentions as the first version
 * of diffusers spelled them, `attn1.processor.to_q`: layers as PEFT spells them, `attn1.to_q`, they
 * leave out.
 */
export function isFoundByComfyui({ name, path }: AdapterModule): boolean | undefined {
  if (path === undefined) return undefined;
  if (LDM.test(name)) return true;
  const [component, ...parts] = path.split('.');
  const layer = parts.join('.');
  return spellings[component]?.(layer).includes(name) ?? false;
}

const underscored = (layer: string): string => layer.replaceAll('.', '_');

/** Of the layers of each component, by the path of a layer in it. */
const spellings: Readonly<Record<string, ((layer: string) => readonly string[]) | undefined>> = {
  unet: (layer) => {
    const beside = layer.replace('.to_', '.processor.to_').replace(/\.to_out\.0$/, '.to_out');
    const flat = underscored(layer);
    return [`unet.${beside}`, beside, `lora_unet_${flat}`, `lycoris_${flat}`];
  },
  text_encoder: (layer) =>
    ofText(layer, (flat) => [`text_encoder.${layer}`, `lora_te_${flat}`, `lora_te1_${flat}`]),
  text_encoder_2: (layer) =>
    ofText(layer, (flat) => [`text_encoder_2.${layer}`, `lora_te2_${flat}`]),
};

/** Of the text encoders they know the layers alone, not the embeddings. */
const ofText = (layer: string, names: (flat: string) => readonly string[]): readonly string[] =>
  /^text_model\.encoder\.layers\./.test(layer) ? names(underscored(layer)) : [];
