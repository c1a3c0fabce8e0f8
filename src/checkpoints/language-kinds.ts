// What the safetensors files of a folder hold, where they are not the language model that its
// config.json describes.

import type { Problem } from '../errors.ts';
import { Contents, type Described } from './contents.ts';

interface Kind extends Omit<Problem, 'where'> {
  readonly matches: (file: Contents) => boolean;
}

const useWeights = 'Use the version of this model with float32, float16 or bfloat16 weights.';

/** In the order in which they are looked for. */
export const languageKinds = {
  quantized: {
    matches: (file) =>
      file.has(
        /\.(qweight|qzeros|SCB|weight_scale(_inv)?|weight\.(absmax|quant_map|quant_state\..*)|weight_packed)$/,
      ),
    what: 'its weights are quantized (GPTQ, AWQ, bitsandbytes, float8 or the like)',
    fix: useWeights,
  },
  float8: {
    matches: (file) => file.hasType(/^F[468]_/, /\.weight$/),
    what: 'its weights are of a type with fewer than 16 bits (float8)',
    fix: useWeights,
  },
  unmerged: {
    matches: (file) => file.has(/\.base_layer\.weight$/),
    what: 'it was saved with an adapter inside that was not merged (names with base_layer and lora_A)',
    fix: 'Merge it (merge_and_unload of PEFT) and save it again, or name the model below it.',
  },
  adapter: {
    matches: (file) => file.mostly(/\.lora_(A|B|embedding_[AB]|magnitude_vector)(\.|$)/),
    what: 'its weights are a LoRA, not a model',
    fix: 'Name the folder of the model that it was trained on.',
  },
  pictures: {
    matches: (file) =>
      file.anyPart() || file.has(/^(down_blocks|up_blocks|lora_unet_|double_blocks|joint_blocks)/),
    what: 'its weights are a model for pictures, not a language model',
    fix: 'For pictures, leave task_type out, or set it to image.',
  },
  withPictures: {
    matches: (file) =>
      file.has(
        /(^|\.)(visual|vision_tower|vision_model|multi_modal_projector|vpm|audio_tower)\./,
      ) && !file.has(/^model\.layers\.0\./),
    what: 'its weights are a model that takes pictures or sounds too; the language model is a part of it, under other names',
    fix: 'Use the text-only model of the family, or save that part as a model of its own.',
  },
  wrapped: {
    matches: (file) =>
      file.mostly(/^(module|_orig_mod|base_model\.model|language_model)\.(model|lm_head)\b/),
    what: 'its tensor names have a prefix (module., _orig_mod., base_model.model. …), as when a trainer saves its own wrapper around a model',
    fix: 'Save the model without the wrapper.',
  },
  classifier: {
    matches: (file) => file.has(/^(score|classifier|v_head)\./) && !file.has(/^lm_head\./),
    what: 'it has a head that scores or classifies, and none that generates text',
    fix: 'Use the model for text generation (…ForCausalLM) of the same family.',
  },
  withoutBody: {
    matches: (file) => file.has(/^layers\.\d+\./) && !file.has(/^model\./),
    what: 'its tensor names lack the prefix "model.": this is the body alone, saved without its head',
    fix: 'Use the model for text generation (…ForCausalLM) of the same family.',
  },
} as const satisfies Readonly<Record<string, Kind>>;

/** What is to be said of the files, where it is known. */
export function languageProblem(
  tensors: ReadonlyMap<string, Described>,
  where: string,
): Problem | undefined {
  const file = new Contents(tensors);
  const kinds: readonly Kind[] = Object.values(languageKinds);
  const kind = kinds.find(({ matches }) => matches(file));
  return kind && { where, what: kind.what, fix: kind.fix };
}
