// What decides which programs load an adapter: the model that it is for, and how its file spells
// that.

import type { AdapterFile, AdapterModule } from '../adapter-files/adapter-file.ts';

/** By the width of the text states that the UNet's cross-attention reads. */
const families: ReadonlyMap<number, string> = new Map([
  [768, 'Stable Diffusion 1.x'],
  [1024, 'Stable Diffusion 2.x'],
  [2048, 'Stable Diffusion XL'],
]);

/** `ss_base_model_version` of kohya's files. */
const versions: readonly (readonly [begin: string, family: string])[] = [
  ['sd_v1', 'Stable Diffusion 1.x'],
  ['sd_v2', 'Stable Diffusion 2.x'],
  ['sdxl', 'Stable Diffusion XL'],
];

/** Layers that only a model of another kind has. */
const others: readonly (readonly [pattern: RegExp, family: string])[] = [
  [/(^|_|\.)(double|single)_(transformer_)?blocks[_.]/, 'Flux'],
  [/(^|_|\.)joint_blocks[_.]/, 'Stable Diffusion 3'],
];

export interface Traits {
  /** Undefined where neither sizes nor metadata tell. */
  readonly family: string | undefined;
  /** It is of the layout that the most common programs expect: two residual blocks a level. */
  readonly isCommonLayout: boolean;
  /** Names such as `lora_unet_down_blocks_0_…`: no dots. */
  readonly isUnderscored: boolean;
  /** Names of the latent-diffusion code: `input_blocks`. */
  readonly isLdm: boolean;
  /** The text encoder's names begin with `lora_te1_`. */
  readonly isTe1: boolean;
  /** A convolution with a kernel of more than 1×1, or another layer of residual blocks. */
  readonly hasResidualLayers: boolean;
  /** Its scale stands in the metadata alone. */
  readonly isScaleInMetadata: boolean;
  /** Names that no rule leads to a layer. */
  readonly unknown: readonly string[];
  readonly largestRank: number;
}

export function traitsOf(file: AdapterFile): Traits {
  const { modules, metadata } = file;
  const some = (pattern: RegExp) => modules.some(({ name }) => pattern.test(name));
  const family = file.of === 'pictures' ? familyOf(modules, metadata) : undefined;
  return {
    family,
    isCommonLayout: family !== undefined && !family.startsWith('a UNet'),
    isUnderscored: modules.every(({ name }) => /^lora_(unet|te\d?)_[^.]+$/.test(name)),
    isLdm: some(/(^|_|\.)(input|output)_blocks[_.]|(^|_|\.)middle_block[_.]/),
    isTe1: some(/^lora_te1_/),
    hasResidualLayers: modules.some(({ path = '' }) => /\.(resnets|\w+samplers)\./.test(path)),
    isScaleInMetadata: modules.some(
      ({ alphaFrom, scale }) => alphaFrom === 'metadata' && scale !== 1,
    ),
    unknown: modules.flatMap(({ name, path }) => (path === undefined ? [name] : [])),
    largestRank: modules.reduce((most, { rank }) => Math.max(most, rank), 0),
  };
}

function familyOf(
  modules: readonly AdapterModule[],
  { ss_base_model_version: version = '' }: AdapterFile['metadata'],
): string | undefined {
  return familyOfLayers(modules) ?? versions.find(([begin]) => version.startsWith(begin))?.[1];
}

/** The model that an adapter for pictures is for, where its layers tell. */
export function familyOfLayers(modules: readonly AdapterModule[]): string | undefined {
  const other = others.find(([pattern]) => modules.some(({ name }) => pattern.test(name)));
  if (other !== undefined) return other[1];
  if (modules.some(({ path = '' }) => path.startsWith('text_encoder_2.')))
    return 'Stable Diffusion XL';
  const cross = modules.find(({ path = '' }) => /^unet\..*\.attn2\.to_[kv]$/.test(path));
  if (cross === undefined) return undefined;
  const [, width] = cross.down.shape;
  return families.get(width) ?? `a UNet that reads text states of width ${width}`;
}
