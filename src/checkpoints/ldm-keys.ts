// The tensor names of a single-file Stable Diffusion 1.x (the names of the latent-diffusion code,
// LDM) and their names in a diffusers folder, by rules that follow the block structure, for any
// size.

export type Component = 'unet' | 'vae' | 'text_encoder';

/**
 * A tensor of the model: `unet.` … in our naming; or one to be left alone; or one that no rule
 * knows.
 */
export type LdmName =
  | { readonly kind: 'weight'; readonly component: Component; readonly key: string }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'unknown' };

export const ldmPrefixes = {
  unet: 'model.diffusion_model.',
  vae: 'first_stage_model.',
  text_encoder: 'cond_stage_model.transformer.',
} as const satisfies Record<Component, string>;

/** Buffers of the noise schedule, training leftovers, and copies: known, and not needed. */
const ignored =
  /^(betas|alphas_cumprod(_prev)?|sqrt_alphas_cumprod|sqrt_one_minus_alphas_cumprod|log_one_minus_alphas_cumprod|sqrt_recip_alphas_cumprod|sqrt_recipm1_alphas_cumprod|posterior_\w+|logvar|model_ema\..*|first_stage_model\.loss\..*|cond_stage_model\.transformer\.(text_model\.)?embeddings\.position_ids)$/;

/**
 * Names each key of a file. The UNet's block numbers depend on the whole set of keys, so all are
 * given at once.
 */
export function nameLdmKeys(keys: readonly string[]): Map<string, LdmName> {
  const blocks = unetBlocks(keys);
  const levels = vaeLevels(keys);
  return new Map(keys.map((key) => [key, nameLdmKey(key, blocks, levels)]));
}

function nameLdmKey(key: string, blocks: ReadonlyMap<string, string>, levels: number): LdmName {
  if (ignored.test(key)) return { kind: 'ignored' };
  const rest = (component: Component) =>
    key.startsWith(ldmPrefixes[component]) ? key.slice(ldmPrefixes[component].length) : undefined;
  const named = (component: Component, name: string | undefined): LdmName =>
    name === undefined ? { kind: 'unknown' } : { kind: 'weight', component, key: name };
  const unet = rest('unet');
  if (unet !== undefined) return named('unet', unetKey(unet, blocks));
  const vae = rest('vae');
  if (vae !== undefined) return named('vae', vaeKey(vae, levels));
  const text = rest('text_encoder');
  if (text !== undefined) return named('text_encoder', textEncoderKey(text));
  return { kind: 'unknown' };
}

/**
 * `model.diffusion_model.a.b` → `model_ema.diffusion_modelab`: the averaged copy has no dots after
 * its prefix.
 */
export function emaKey(key: string): string {
  return `model_ema.${key.slice('model.'.length).replaceAll('.', '')}`;
}

// The UNet

const unetFixed: Readonly<Record<string, string>> = {
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
};

const resnetLayers: Readonly<Record<string, string>> = {
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
};

function unetKey(key: string, blocks: ReadonlyMap<string, string>): string | undefined {
  const [, fixed, leaf] = /^(time_embed\.\d+|out\.\d+)\.(\w+)$/.exec(key) ?? [];
  if (fixed !== undefined)
    return Object.hasOwn(unetFixed, fixed) ? `${unetFixed[fixed]}.${leaf}` : undefined;
  const [, block, inner] =
    /^((?:input_blocks\.\d+|middle_block|output_blocks\.\d+)\.\d+)\.(.+)$/.exec(key) ?? [];
  const target = block === undefined ? undefined : blocks.get(block);
  if (target === undefined) return undefined;
  return `${target}.${target.includes('resnets') ? resnetKey(inner) : inner.replace(/^(op|conv)\./, '')}`;
}

function resnetKey(inner: string): string {
  const [, layer, leaf] = /^(.+)\.(\w+)$/.exec(inner) ?? [];
  return layer !== undefined && Object.hasOwn(resnetLayers, layer)
    ? `${resnetLayers[layer]}.${leaf}`
    : inner;
}

/** What stands at `input_blocks.4.1` and the like, told from the names inside it. */
type Role = 'conv' | 'resnet' | 'attention' | 'downsampler' | 'upsampler';

function roleOf(inner: string): Role | undefined {
  if (/^(in_layers|out_layers|emb_layers|skip_connection)\./.test(inner)) return 'resnet';
  if (/^(transformer_blocks|proj_in|proj_out|norm)\./.test(inner)) return 'attention';
  if (inner.startsWith('op.')) return 'downsampler';
  if (inner.startsWith('conv.')) return 'upsampler';
  return /^(weight|bias)$/.test(inner) ? 'conv' : undefined;
}

/**
 * `input_blocks.4.1` → `down_blocks.1.attentions.0` and so on: a walk through the numbered blocks,
 * one level ending at each resampler.
 */
function unetBlocks(keys: readonly string[]): Map<string, string> {
  const roles = {
    input_blocks: new Map<number, Map<number, Role>>(),
    output_blocks: new Map<number, Map<number, Role>>(),
  };
  for (const key of keys) {
    const [, side, block, part, inner] =
      /^model\.diffusion_model\.(input_blocks|output_blocks)\.(\d+)\.(\d+)\.(.+)$/.exec(key) ?? [];
    const role = inner === undefined ? undefined : roleOf(inner);
    if (role === undefined) continue;
    const blocks = roles[side === 'input_blocks' ? 'input_blocks' : 'output_blocks'];
    const parts = blocks.get(Number(block)) ?? new Map<number, Role>();
    blocks.set(Number(block), parts.set(Number(part), role));
  }
  const middle = [
    ['middle_block.0', 'mid_block.resnets.0'],
    ['middle_block.1', 'mid_block.attentions.0'],
    ['middle_block.2', 'mid_block.resnets.1'],
  ] as const;
  return new Map([
    ...middle,
    ...walk(roles.input_blocks, 'input_blocks', 'down_blocks'),
    ...walk(roles.output_blocks, 'output_blocks', 'up_blocks'),
  ]);
}

function walk(
  blocks: ReadonlyMap<number, ReadonlyMap<number, Role>>,
  from: string,
  to: string,
): [string, string][] {
  const names: [string, string][] = [];
  let level = 0;
  let layer = 0;
  for (const [block, parts] of [...blocks].sort(([a], [b]) => a - b)) {
    const present = new Set(parts.values());
    // In a downsampler's block there is nothing else; an upsampler shares the block of its level's
    // last layer.
    for (const [part, role] of firstOfEach(parts))
      names.push([`${from}.${block}.${part}`, diffusersBlock(to, level, layer, role)]);
    if (present.has('resnet')) layer += 1;
    if (present.has('downsampler') || present.has('upsampler')) [level, layer] = [level + 1, 0];
  }
  return names;
}

/**
 * A block has one part of each role; a second, such as the transformer over time that a model for
 * videos puts beside the one over the picture, is none of the model's.
 */
function firstOfEach(parts: ReadonlyMap<number, Role>): [number, Role][] {
  const ordered = [...parts].sort(([a], [b]) => a - b);
  return ordered.filter(([, role], i) => ordered.findIndex(([, other]) => other === role) === i);
}

function diffusersBlock(to: string, level: number, layer: number, role: Role): string {
  const names: Record<Role, string> = {
    conv: 'conv_in',
    resnet: `${to}.${level}.resnets.${layer}`,
    attention: `${to}.${level}.attentions.${layer}`,
    downsampler: `${to}.${level}.downsamplers.0.conv`,
    upsampler: `${to}.${level}.upsamplers.0.conv`,
  };
  return names[role];
}

// The autoencoder

const vaeAttention: Readonly<Record<string, string>> = {
  norm: 'group_norm',
  q: 'to_q',
  k: 'to_k',
  v: 'to_v',
  proj_out: 'to_out.0',
  // Names of diffusers folders from before version 0.17.
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

function vaeLevels(keys: readonly string[]): number {
  const levels = keys
    .map((key) => /^first_stage_model\.decoder\.up\.(\d+)\./.exec(key)?.[1])
    .filter((level) => level !== undefined);
  return levels.reduce((most, level) => Math.max(most, Number(level) + 1), 0);
}

/** The decoder's levels are numbered from the finest in LDM, from the coarsest in diffusers. */
function vaeKey(key: string, levels: number): string | undefined {
  const name = key
    .replace(/^encoder\.down\.(\d+)\.block\./, 'encoder.down_blocks.$1.resnets.')
    .replace(/^encoder\.down\.(\d+)\.downsample\./, 'encoder.down_blocks.$1.downsamplers.0.')
    .replace(
      /^decoder\.up\.(\d+)\.block\./,
      (_, level: string) => `decoder.up_blocks.${levels - 1 - Number(level)}.resnets.`,
    )
    .replace(
      /^decoder\.up\.(\d+)\.upsample\./,
      (_, level: string) => `decoder.up_blocks.${levels - 1 - Number(level)}.upsamplers.0.`,
    )
    .replace(
      /^(encoder|decoder)\.mid\.block_([12])\./,
      (_, side: string, block: string) => `${side}.mid_block.resnets.${Number(block) - 1}.`,
    )
    .replace(/^(encoder|decoder)\.mid\.attn_1\./, '$1.mid_block.attentions.0.')
    .replace(/^(encoder|decoder)\.norm_out\./, '$1.conv_norm_out.')
    .replace('.nin_shortcut.', '.conv_shortcut.');
  const known =
    /^(encoder\.(down_blocks|mid_block|conv_)|decoder\.(up_blocks|mid_block|conv_)|(post_)?quant_conv\.)/;
  return known.test(name) ? modernVaeKey(name) : undefined;
}

/** The attention of an autoencoder under its names of today, whichever it has in the file. */
export function modernVaeKey(key: string): string {
  return key.replace(
    /(\.mid_block\.attentions\.0\.)(\w+)\.(weight|bias)$/,
    (all, block: string, layer: string, leaf: string) =>
      Object.hasOwn(vaeAttention, layer) ? `${block}${vaeAttention[layer]}.${leaf}` : all,
  );
}

/** Weights of the autoencoder's attention that may be stored as 1×1 convolutions. */
export function isVaeAttentionWeight(key: string): boolean {
  return /\.mid_block\.attentions\.0\.(to_q|to_k|to_v|to_out\.0)\.weight$/.test(key);
}

// The text encoder

/** Very old files have no `text_model.` */
export function textEncoderKey(key: string): string {
  return /^(embeddings|encoder|final_layer_norm)\./.test(key) ? `text_model.${key}` : key;
}
