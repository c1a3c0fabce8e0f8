// The kinds of safetensors files that people give as a base model for pictures and that are not a
// plain Stable Diffusion 1.x: how each is told from its tensors, and what to do instead.

import type { Contents } from './contents.ts';

/**
 * When a kind is looked for. `whole`: always, since such a file has all tensors of Stable Diffusion
 * 1.x and computes otherwise; `unlike`: where tensors of it are missing or have other shapes;
 * `partial`: where one of its three parts is missing altogether; `foreign`: where all are.
 */
export type When = 'whole' | 'unlike' | 'partial' | 'foreign';

export interface Kind {
  readonly when: When;
  readonly matches: (file: Contents) => boolean;
  readonly what: string | ((file: Contents) => string);
  readonly fix: string;
}

const useSd1 =
  'Name a Stable Diffusion 1.x checkpoint (for instance v1-5-pruned.safetensors or a diffusers folder) as base_model.';
const useFolder =
  'Name the folder that holds unet/, vae/ and text_encoder/, or a single-file checkpoint, as base_model.';
const useBase = `It goes on top of a base model. ${useSd1}`;
const useOrigin = `Name the model that it was made from. ${useSd1}`;

const has = (pattern: RegExp) => (file: Contents) => file.has(pattern);
const mostly = (pattern: RegExp) => (file: Contents) => file.mostly(pattern);

/** A UNet that takes more than the 4 latent channels: what it is made for, by their number. */
const channelUses: Readonly<Record<number, string>> = {
  5: 'a depth-to-image model',
  7: 'an upscaling model',
  8: 'an image-editing model (InstructPix2Pix or a relative)',
  9: 'an inpainting model',
};

export const inputChannelsNamed = (channels: number): string =>
  `this is ${channelUses[channels] ?? 'a model of another kind'}: its UNet takes ${channels} channels, plain Stable Diffusion 1.x takes 4`;

const extraChannels = (file: Contents) =>
  (file.dim('model.diffusion_model.input_blocks.0.0.weight', 1) ?? 4) !== 4;

/** Attention over text of this width, in the names of single files or of diffusers. */
const textWidth = (file: Contents) => file.dimOf(/attn2\.to_k\.weight$/, 1);

/** Halves of the autoencoder that are not there. */
const absentHalves = (file: Contents) =>
  ['encoder', 'decoder'].filter((half) => !file.has(new RegExp(`^first_stage_model\\.${half}\\.`)));

const unetOnly = /^(model\.diffusion_model\.)?(input_blocks|middle_block|output_blocks)\./;

/** In the order in which they are looked for: the narrower before the wider. */
export const kinds = {
  latentConsistency: {
    when: 'whole',
    matches: has(/^(model\.diffusion_model|time_embed\w*)\.(.*\.)?cond_proj\./),
    what: 'this is a latent consistency model (LCM): its UNet was distilled for a few steps and takes the guidance as an input (cond_proj)',
    fix: `Train on the model that it was distilled from; the adapter can be used together with an LCM-LoRA. ${useSd1}`,
  },
  classConditional: {
    when: 'whole',
    matches: (file) =>
      file.has(/^model\.diffusion_model\.(label_emb|class_embedding|add_embedding)\./) &&
      file.has(/^cond_stage_model\.transformer\./),
    what: 'its UNet takes labels besides texts (label_emb), plain Stable Diffusion 1.x does not',
    fix: useOrigin,
  },
  deeperTransformers: {
    when: 'whole',
    matches: (file) =>
      file.has(
        /^model\.diffusion_model\..*\.transformer_blocks\.[1-9]\d*\.(attn[12]|ff|norm\d)\./,
      ) && file.has(/^cond_stage_model\.transformer\./),
    what: 'its UNet has more than one transformer block in a place where Stable Diffusion 1.x has one',
    fix: useOrigin,
  },
  elucidated: {
    when: 'whole',
    matches: has(/^edm_(mean|std|vpred\..*)$/),
    what: 'this model was trained with the noise of EDM (edm_mean, edm_std, edm_vpred), which is not supported',
    fix: useSd1,
  },
  wrapped: {
    when: 'unlike',
    matches: mostly(
      /^(state_dict|module|_orig_mod|model\.module|pipe|ldm)\.(model\.diffusion_model|first_stage_model|cond_stage_model)\./,
    ),
    what: (file) =>
      `its tensor names begin with ${file.names[0].split(/(?=\.(?:model\.diffusion_model|first_stage_model|cond_stage_model)\.)/)[0]}., as when a trainer saves its own wrapper around a model`,
    fix: `Save the model without the wrapper. ${useSd1}`,
  },
  unclip: {
    when: 'unlike',
    matches: has(/^(embedder\.model\.visual|noise_augmentor)\./),
    what: 'this is an unCLIP model (pictures from pictures), not Stable Diffusion 1.x',
    fix: useSd1,
  },
  stableDiffusionXl: {
    when: 'unlike',
    matches: (file) =>
      !file.has(/^cond_stage_model\./) &&
      (file.has(/^conditioner\.embedders\.1\.model\./) ||
        (file.has(/(^|\.)(label_emb|add_embedding)\./) && textWidth(file) === 2048)),
    what: 'this is a Stable Diffusion XL model, not Stable Diffusion 1.x',
    fix: `SDXL is not supported yet. ${useSd1}`,
  },
  stableDiffusionXlRefiner: {
    when: 'unlike',
    matches: (file) =>
      !file.has(/^cond_stage_model\./) &&
      (file.has(/^conditioner\.embedders\.0\.model\./) ||
        (file.has(/(^|\.)(label_emb|add_embedding)\./) && textWidth(file) === 1280)),
    what: 'this is the refiner of Stable Diffusion XL, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  video: {
    when: 'unlike',
    matches: (file) =>
      !file.has(/^cond_stage_model\.transformer\./) &&
      (file.hasAxes(5) ||
        file.has(
          /(^|\.)(time_stack|time_mixer|temporal_transformer_blocks|temp_convs|patchify_proj|individual_token_refiner|vace_blocks|head\.modulation|img_emb\.proj\.\d)(\.|$)|\.attn\.qkv_x\.|^net\.(blocks|x_embedder)\.|^decoder\.middle\.0\.residual\./,
        )),
    what: 'this is a model for videos (Stable Video Diffusion, Wan, HunyuanVideo, LTX or a relative), not Stable Diffusion 1.x',
    fix: useSd1,
  },
  stableDiffusion2: {
    when: 'unlike',
    matches: (file) =>
      file.has(/^cond_stage_model\.model\.(transformer|token_embedding|positional_embedding)\b/) ||
      textWidth(file) === 1024 ||
      file.dimOf(/^model\.diffusion_model\..*\.proj_in\.weight$/, 2) === 'absent',
    what: 'this is a Stable Diffusion 2.x model, not Stable Diffusion 1.x',
    fix: `SD 2.x is not supported yet. ${useSd1}`,
  },
  moreChannels: {
    when: 'unlike',
    matches: extraChannels,
    what: (file) =>
      inputChannelsNamed(Number(file.dim('model.diffusion_model.input_blocks.0.0.weight', 1))),
    fix: useOrigin,
  },
  stableDiffusion3: {
    when: 'unlike',
    matches: (file) =>
      file.has(/^(model\.diffusion_model\.|transformer\.)?joint_blocks\./) ||
      (file.has(/^pos_embed\.pos_embed$/) && !file.has(/^register_tokens$/)),
    what: 'this is Stable Diffusion 3, a diffusion transformer, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  flux: {
    when: 'unlike',
    matches: has(
      /^(model\.diffusion_model\.|transformer\.)?(double_blocks|single_blocks|single_transformer_blocks|distilled_guidance_layer)\./,
    ),
    what: 'this is FLUX or a relative, a diffusion transformer, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  diffusionTransformer: {
    when: 'unlike',
    matches: (file) =>
      !file.has(/lora/i) &&
      file.has(
        /^(model\.diffusion_model\.|transformer\.|net\.)?(adaln_single|y_embedder|t_embedder|x_embedder|cap_embedder|caption_projection|double_layers|double_stream_blocks|txt_in|img_in|pos_embed\.proj|transformer_blocks\.\d+\.(img_mod|scale_shift_table|attn1)|blocks\.\d+\.(attn|cross_attn|scale_shift_table|adaLN_modulation))\b/,
      ),
    what: 'this is a diffusion transformer (PixArt, Sana, Lumina, Qwen-Image, Wan or a relative), not Stable Diffusion 1.x',
    fix: useSd1,
  },
  cascade: {
    when: 'unlike',
    matches: has(
      /^(clip_txt_mapper|(model\.diffusion_model\.)?down_blocks\.\d+\.\d+\.channelwise)\./,
    ),
    what: 'this is a part of Stable Cascade, not Stable Diffusion 1.x',
    fix: useSd1,
  },
  tinyInside: {
    when: 'unlike',
    matches: (file) =>
      file.has(/^first_stage_model\.(taesd_(en|de)coder\.|(encoder|decoder)\.layers\.\d+\.)/) &&
      !file.has(/^first_stage_model\.decoder\.(up|mid)\./),
    what: 'its autoencoder is a tiny one (TAESD), made for previews; training needs the full one',
    fix: `Use the file with the full autoencoder. ${useSd1}`,
  },
  halfAutoencoder: {
    when: 'unlike',
    matches: (file) => file.anyPart() && absentHalves(file).length === 1,
    what: (file) =>
      `its autoencoder lacks the ${absentHalves(file).join()}, as in a file pruned for drawing alone; training needs both halves`,
    fix: `Use the complete file of the same model. ${useSd1}`,
  },
  float8: {
    when: 'unlike',
    matches: (file) => file.hasType(/^F[468]_/) && file.anyPart(),
    what: (file) =>
      `its weights have fewer than 16 bits: tensors of type ${file.typeLike(/^F[468]_/)} (${file.countOfType(/^F[468]_/)} in all)`,
    fix: 'Use the float32, float16 or bfloat16 file of the same model.',
  },
  quantized: {
    when: 'unlike',
    matches: (file) =>
      file.anyPart() &&
      (file.has(
        /\.(absmax|quant_map|quant_state\..*|qweight|qzeros|wscales|scale_weight|weight_scale(_inv)?|SCB|weight_format)$/,
      ) ||
        file.hasType(/^u?int(8|16)$|^U(8|16|32)$/, /\.weight$/)),
    what: 'its weights are quantized (bitsandbytes, GPTQ, SVDQuant or the like)',
    fix: 'Use the float32, float16 or bfloat16 file of the same model.',
  },
  averagedOnly: {
    when: 'partial',
    matches: (file) =>
      file.has(/^model_ema\.diffusion_model/) && !file.has(/^model\.diffusion_model\./),
    what: 'its UNet is there only as the averaged copy (EMA: names with model_ema.), not under its ordinary names',
    fix: 'Use the complete file, which has both (use_ema then trains on the averaged weights), or an "emaonly" file, which has the averaged weights under the ordinary names.',
  },
  ipAdapter: {
    when: 'foreign',
    matches: mostly(/^(ip_adapter|image_proj)\.|\.to_[kv]_ip\./),
    what: 'this is an IP-Adapter, not a base model',
    fix: useBase,
  },
  loha: {
    when: 'foreign',
    matches: (file) =>
      file.has(/\.hada_w1/) && mostly(/\.(hada_w[12](_[ab])?|hada_t[12]|alpha|dora_scale)$/)(file),
    what: 'this is a LyCORIS adapter (LoHa), not a base model',
    fix: useBase,
  },
  lokr: {
    when: 'foreign',
    matches: (file) =>
      file.has(/\.lokr_w1/) && mostly(/\.(lokr_(w[12](_[ab])?|t2)|alpha|dora_scale)$/)(file),
    what: 'this is a LyCORIS adapter (LoKr), not a base model',
    fix: useBase,
  },
  otherLycoris: {
    when: 'foreign',
    matches: (file) =>
      file.has(/\.(oft_\w+|boft\w*|on_input|a1\.weight|diff)$|^(oft|ia3)_unet_/) &&
      mostly(
        /\.(oft_blocks|oft_diag|boft\w*|on_input|a[12]\.weight|b[12]\.weight|diff(_b)?|alpha)$|^(oft|ia3)_unet_/,
      )(file),
    what: 'this is an adapter ((IA)³, OFT, GLoRA or a full-weight difference), not a base model',
    fix: useBase,
  },
  lora: {
    when: 'foreign',
    matches: mostly(
      /^lora_(unet|te\d?|prior|transformer)_|\.lora_(A|B|down|up|mid)\.(\w+\.)?weight$|_lora\.(down|up)\.weight$|\.lora(_linear_layer)?\.(down|up)\.weight$|\.lora_(magnitude_vector|embedding_[AB])/,
    ),
    what: 'this is a LoRA, not a base model',
    fix: `A LoRA is trained on top of a base. ${useSd1}`,
  },
  controlLora: {
    when: 'foreign',
    matches: has(/^(lora_controlnet$|lllite_)/),
    what: 'this is a ControlNet as a LoRA (Control-LoRA or ControlNet-LLLite), not a base model',
    fix: useBase,
  },
  controlNet: {
    when: 'foreign',
    matches: has(
      /^(control_model\.|controlnet_|zero_convs\.|input_hint_block\.|control_layers\.|control_all_x_embedder\.)/,
    ),
    what: 'this is a ControlNet, not a base model',
    fix: useBase,
  },
  motionModule: {
    when: 'foreign',
    matches: has(/(^|\.)motion_modules\./),
    what: 'this is a motion module (AnimateDiff), not a base model',
    fix: useBase,
  },
  t2iAdapter: {
    when: 'foreign',
    matches: has(/^(adapter\.)?body\.\d+\.(block1|block2|in_conv|resnets|down)\b/),
    what: 'this is a T2I-Adapter, not a base model',
    fix: useBase,
  },
  upscaler: {
    when: 'foreign',
    matches: has(
      /^(params(_ema)?\.)?(model\.1\.sub\.\d+\.|RRDB_trunk\.|body\.\d+\.rdb\d\.|layers\.\d+\.residual_group\.|conv_first\.weight$|upconv1?\.)/,
    ),
    what: 'this is an upscaler (ESRGAN, SwinIR or a relative), not a base model',
    fix: useSd1,
  },
  hypernetwork: {
    when: 'foreign',
    matches: mostly(/^(320|640|768|1024|1280)\.[01]\./),
    what: 'this is a hypernetwork, not a base model',
    fix: useBase,
  },
  embedding: {
    when: 'foreign',
    matches: (file) =>
      (file.names.length <= 4 &&
        file.has(/^(emb_params|clip_[lg]|string_to_param\b.*|learned_embeds?)$/)) ||
      (file.names.length === 1 && /^<.*>$/.test(file.names[0])),
    what: 'this is a textual inversion embedding, not a base model',
    fix: useBase,
  },
  t5: {
    when: 'foreign',
    matches: has(/^(encoder\.block\.\d+\.layer\.|encoder\.final_layer_norm\.weight$)/),
    what: 'this is a T5 text encoder, which Stable Diffusion 1.x does not use',
    fix: useSd1,
  },
  tinyAutoencoder: {
    when: 'foreign',
    matches: (file) =>
      !file.has(/lora/i) &&
      (file.has(/^(taesd_)?(encoder|decoder)\.(layers\.)?\d+\.(conv\.\d+\.)?weight$/) ||
        mostly(/^\d+\.(conv\.\d+\.)?(weight|bias)$/)(file)),
    what: 'this is a tiny autoencoder (TAESD), made for previews, not a base model',
    fix: useSd1,
  },
  consistencyDecoder: {
    when: 'foreign',
    matches: has(/^(decoder_unet\.|embed_image\.|blocks\.\d\.\d\.f_)|^up\.\d\.\d\.f_|^f_[1-4]\./),
    what: 'this is the consistency decoder, a decoder of latents, not a base model',
    fix: useSd1,
  },
  safetyChecker: {
    when: 'foreign',
    matches: has(/^(concept_embeds|special_care_embeds)/),
    what: 'this is the safety checker of Stable Diffusion, not a base model',
    fix: useFolder,
  },
  clipVision: {
    when: 'foreign',
    matches: (file) =>
      file.has(
        /^(vision_model|visual)\.|embeddings\.(class_embedding|patch_embeddings?|cls_token)\b/,
      ) && !file.has(/token_embedding/),
    what: 'this is an encoder of pictures (CLIP vision or a relative), not a base model',
    fix: useSd1,
  },
  textEncoder: {
    when: 'partial',
    matches: (file) =>
      file.has(
        /^(cond_stage_model\.transformer\.|transformer\.|text_encoder\.)?(text_model\.)?(embeddings\.token_embedding|encoder\.layers)\b|^(token_embedding|transformer\.resblocks)\b/,
      ) && !file.has(/^(model\.diffusion_model|first_stage_model)\./),
    what: 'this is a text encoder alone, not a complete model',
    fix: useFolder,
  },
  autoencoder: {
    when: 'partial',
    matches: (file) =>
      file.has(
        /^(first_stage_model\.|vae\.)?(encoder\.|decoder\.)(down|up|mid|conv_in|down_blocks|up_blocks|mid_block)\b/,
      ) && !file.has(/^(model\.diffusion_model|model_ema|cond_stage_model|conditioner)\./),
    what: 'this is an autoencoder (VAE) alone, not a complete model',
    fix: useSd1,
  },
  languageModel: {
    when: 'foreign',
    matches: has(
      /(^|\.)(layers\.\d+\.(self_attn|mlp|block_sparse_moe|linear_attn)|h\.\d+\.(attn|mlp))\.|(^|\.)(embed_tokens|embed_in|wte|word_embeddings|tok_embeddings|lm_head)\.weight$|^backbone\.embeddings?\./,
    ),
    what: 'this is a language model, not Stable Diffusion 1.x',
    fix: `To train it, set task_type: text-generation, and name the folder of the model (with its config.json and tokenizer.json) as base_model. For pictures: ${useSd1}`,
  },
  diffusersNames: {
    when: 'foreign',
    matches: (file) =>
      file.has(/^unet\.(conv_in|down_blocks)\./) &&
      (file.has(/^vae\./) || file.has(/^text_encoder\./)),
    what: 'this is one file with the names of a diffusers folder (unet.…, vae.…), a layout that no other program reads either',
    fix: useFolder,
  },
  diffusersUnet: {
    when: 'foreign',
    matches: has(/^(unet\.)?(down_blocks\.\d+\.(resnets|attentions)\.|conv_in\.weight$)/),
    what: 'this is one part of a diffusers folder (the UNet alone), not a complete model',
    fix: 'Name the folder that holds unet/, vae/ and text_encoder/ as base_model.',
  },
  unet: {
    when: 'partial',
    matches: (file) => file.has(unetOnly) && !file.has(/^(first_stage_model|cond_stage_model)\./),
    what: 'this is a UNet alone, without autoencoder and text encoder',
    fix: `It was saved without them, for programs that load each part from a file of its own. ${useSd1}`,
  },
  someParts: {
    when: 'partial',
    matches: (file) => file.anyPart(),
    what: (file) =>
      `this file has only some of the three parts of Stable Diffusion 1.x: the ${file.absentParts().join(' and the ')} is missing`,
    fix: `A pruned file may lack parts; find the complete one. ${useSd1}`,
  },
  unknown: {
    when: 'foreign',
    matches: () => true,
    what: (file) =>
      file.names.length === 0
        ? 'this file has no tensors'
        : `this is not a Stable Diffusion 1.x model: none of its tensor names are known, for instance ${file.names[0]}`,
    fix: useSd1,
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof kinds;
