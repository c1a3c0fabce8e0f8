// The names that programs give the layers of Stable Diffusion in LoRA files, and their paths in our
// models: kohya's underscores, diffusers' dots, and the names of the latent-diffusion code (LDM).

/**
 * Words of paths that are not divided at their underscores. The longest come first, so that
 * `time_emb_proj` is not taken for `time`, `emb` and `proj`.
 */
const words = [
  ...['down_blocks', 'mid_block', 'up_blocks', 'resnets', 'attentions', 'transformer_blocks'],
  ...['downsamplers', 'upsamplers', 'attn1', 'attn2', 'to_q', 'to_k', 'to_v', 'to_out'],
  ...['ff', 'net', 'proj', 'proj_in', 'proj_out', 'norm', 'norm1', 'norm2', 'norm3'],
  ...['conv', 'conv1', 'conv2', 'conv_shortcut', 'time_emb_proj', 'conv_in', 'conv_out'],
  ...['conv_norm_out', 'time_embedding', 'add_embedding', 'linear_1', 'linear_2'],
  ...['input_blocks', 'middle_block', 'output_blocks', 'in_layers', 'out_layers', 'emb_layers'],
  ...['skip_connection', 'op', 'time_embed', 'label_emb', 'out'],
  ...['text_model', 'encoder', 'layers', 'self_attn', 'q_proj', 'k_proj', 'v_proj', 'out_proj'],
  ...['mlp', 'fc1', 'fc2', 'layer_norm1', 'layer_norm2', 'final_layer_norm', 'embeddings'],
  ...['token_embedding', 'position_embedding', 'text_projection'],
].sort((a, b) => b.length - a.length);

const word = new RegExp(`^(${words.join('|')}|\\d+)(_|$)`);

/** `down_blocks_0_attentions_0_proj_in` → `down_blocks.0.attentions.0.proj_in`. */
function divided(name: string): string | undefined {
  const parts: string[] = [];
  for (let rest = name; rest !== '';) {
    const found = word.exec(rest);
    if (found === null) return undefined;
    parts.push(found[1]);
    rest = rest.slice(found[0].length);
  }
  return parts.join('.');
}

/** Prefixes of files; those that name a component are taken off. */
const prefixes: readonly (readonly [pattern: RegExp, component: string])[] = [
  [/^lora_unet[_.]/, 'unet'],
  [/^lora_te1?[_.]/, 'text_encoder'],
  [/^lora_te2[_.]/, 'text_encoder_2'],
  [/^(lycoris_|lora_|diffusion_model\.)?(?=(down_blocks|mid_block|up_blocks)[_.])/, 'unet'],
  [/^(lycoris_)?(?=text_model[_.])/, 'text_encoder'],
  [/^diffusion_model\./, 'unet'],
  [/^unet\./, 'unet'],
  [/^text_encoder\./, 'text_encoder'],
  [/^text_encoder_2\./, 'text_encoder_2'],
];

/**
 * The path of a layer in our naming, by the name that a file for pictures gives it: `unet.…`,
 * `text_encoder.…` or, of SDXL, `text_encoder_2.…`. Undefined for a name that no rule knows.
 */
export function picturePath(name: string): string | undefined {
  const prefix = prefixes.find(([pattern]) => pattern.test(name));
  if (prefix === undefined) return undefined;
  const [pattern, component] = prefix;
  const rest = name.replace(pattern, '');
  const dotted = rest.includes('.') ? rest : divided(rest);
  if (dotted === undefined) return undefined;
  const path = component === 'unet' ? unetPath(dotted) : textEncoderPath(dotted);
  return path === undefined ? undefined : `${component}.${path}`;
}

function unetPath(dotted: string): string | undefined {
  if (/^(input_blocks|middle_block|output_blocks|time_embed|label_emb|out)\./.test(dotted))
    return ldmPath(dotted);
  const known =
    /^((down_blocks|up_blocks)\.\d+|mid_block)\.(resnets|attentions|downsamplers|upsamplers)\.\d+\.|^(conv_in|conv_out|(time|add)_embedding\.linear_[12])$/;
  return known.test(dotted) ? withoutProcessor(dotted) : undefined;
}

/** The first version of diffusers had the factors beside the layers: `attn1.processor.to_q`. */
const withoutProcessor = (path: string): string =>
  path.replace(/\.processor\.(to_[qkv]|to_out)$/, '.$1').replace(/\.to_out$/, '.to_out.0');

const oldText: ReadonlyMap<string, string> = new Map([
  ['to_q', 'q_proj'],
  ['to_k', 'k_proj'],
  ['to_v', 'v_proj'],
  ['to_out', 'out_proj'],
]);

function textEncoderPath(dotted: string): string | undefined {
  const whole = /^(encoder|embeddings|final_layer_norm)\./.test(dotted)
    ? `text_model.${dotted}`
    : dotted;
  if (!/^text_model\.|^text_projection$/.test(whole)) return undefined;
  return whole.replace(/\.(to_[qkv]|to_out)$/, (all, layer: string) =>
    oldText.has(layer) ? `.${oldText.get(layer)}` : all,
  );
}

const ldmResnet: ReadonlyMap<string, string> = new Map([
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
]);

const ldmFixed: ReadonlyMap<string, string> = new Map([
  ['time_embed.0', 'time_embedding.linear_1'],
  ['time_embed.2', 'time_embedding.linear_2'],
  ['label_emb.0.0', 'add_embedding.linear_1'],
  ['label_emb.0.2', 'add_embedding.linear_2'],
  ['input_blocks.0.0', 'conv_in'],
  ['out.2', 'conv_out'],
  ['middle_block.0', 'mid_block.resnets.0'],
  ['middle_block.1', 'mid_block.attentions.0'],
  ['middle_block.2', 'mid_block.resnets.1'],
]);

/**
 * LDM numbers its blocks through; a LoRA does not have all of them, so that the rule is that of
 * Stable Diffusion 1, 2 and XL: two residual blocks a level.
 */
function ldmPath(dotted: string): string | undefined {
  const fixed = ldmFixed.get(dotted);
  if (fixed !== undefined) return fixed;
  const [, block, inner = ''] =
    /^(middle_block\.\d+|(?:in|out)put_blocks\.\d+\.\d+)\.(.+)$/.exec(dotted) ?? [];
  if (block === undefined) return undefined;
  const place = ldmFixed.get(block) ?? ldmBlock(block, inner);
  if (inner === 'op' || inner === 'conv') return `${place}.conv`;
  const layer = place.includes('.resnets.') ? ldmResnet.get(inner) : inner;
  return layer === undefined ? undefined : `${place}.${layer}`;
}

function ldmBlock(block: string, inner: string): string {
  const [side, number, part] = block.split('.');
  const at = side === 'input_blocks' ? Number(number) - 1 : Number(number);
  const level = `${side === 'input_blocks' ? 'down_blocks' : 'up_blocks'}.${Math.floor(at / 3)}`;
  if (inner === 'op') return `${level}.downsamplers.0`;
  if (inner === 'conv') return `${level}.upsamplers.0`;
  return `${level}.${part === '0' ? 'resnets' : 'attentions'}.${at % 3}`;
}

const diffusersResnet: ReadonlyMap<string, string> = new Map(
  Array.from(ldmResnet, ([ldm, diffusers]) => [diffusers, ldm]),
);

const diffusersFixed: ReadonlyMap<string, string> = new Map(
  Array.from(ldmFixed, ([ldm, diffusers]) => [diffusers, ldm]),
);

/**
 * The name of a path in kohya's files of Stable Diffusion XL, whose UNet has LDM's names there.
 * Undefined for a layer that has none.
 */
export function kohyaXlName(path: string): string | undefined {
  const [component, ...rest] = path.split('.');
  if (component === 'text_encoder') return ['lora_te1', ...rest].join('_');
  if (component === 'text_encoder_2') return ['lora_te2', ...rest].join('_');
  const name = ldmName(rest.join('.'));
  return name === undefined ? undefined : `lora_unet_${name.replaceAll('.', '_')}`;
}

function ldmName(path: string): string | undefined {
  const fixed = diffusersFixed.get(path);
  if (fixed !== undefined) return fixed;
  const [, block, inner = ''] =
    /^((?:mid_block|(?:down|up)_blocks\.\d+)\.[a-z]+\.\d+)\.(.+)$/.exec(path) ?? [];
  if (block === undefined) return undefined;
  const [side, level, kind, layer] = block.split('.');
  const middle = diffusersFixed.get(block);
  if (middle !== undefined) return innerName(middle, kindOf(block), inner);
  const at = 3 * Number(level);
  if (kind === 'downsamplers') return `input_blocks.${at + 3}.0.op`;
  // Stable Diffusion XL has attention in each level that ends with one
  if (kind === 'upsamplers') return `output_blocks.${at + 2}.2.conv`;
  const place =
    side === 'down_blocks'
      ? `input_blocks.${at + 1 + Number(layer)}`
      : `output_blocks.${at + Number(layer)}`;
  return innerName(`${place}.${kind === 'resnets' ? 0 : 1}`, kind, inner);
}

const kindOf = (block: string): string => (block.includes('.resnets.') ? 'resnets' : 'attentions');

function innerName(place: string, kind: string, inner: string): string | undefined {
  const layer = kind === 'resnets' ? diffusersResnet.get(inner) : inner;
  return layer === undefined ? undefined : `${place}.${layer}`;
}
