// A small language model with hashed weights as a Hugging Face folder, with a tokenizer of single
// letters, for tests of training.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { languageModelParameters } from '../../models/decoder.ts';
import { hashedWeight } from '../../models/hashed-weights.test-util.ts';
import { languageFamilies } from '../../models/language-families.ts';
import { fromFloat32, type FloatDType } from '../../tensor/half.ts';
import { serialize } from '../../tensor/safetensors.ts';

type ModelFile = Readonly<Record<string, unknown>> & { readonly model_type: string };

/** A llama of two layers that knows as many tokens as the tokenizer beside it. */
export const smallLlama: ModelFile = {
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  rope_theta: 100,
  tie_word_embeddings: true,
};

/** Special tokens first, then letters, each a token. */
const specialTokens = ['<|bos|>', '<|eos|>', '<|im_start|>', '<|im_end|>', '<unk>'];
const letters = [...' abcdefghijklmnopqrstuvwxyz.,?!:0123456789\n'];

function tokenizerFiles(): Readonly<Record<string, unknown>> {
  const tokens = [...specialTokens, ...letters];
  const added_tokens = specialTokens.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const model = {
    type: 'BPE',
    unk_token: '<unk>',
    byte_fallback: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: [],
  };
  return {
    'tokenizer.json': {
      version: '1.0',
      added_tokens,
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: 'Fuse' },
      model,
    },
    'tokenizer_config.json': {
      bos_token: '<|bos|>',
      eos_token: '<|im_end|>',
      unk_token: '<unk>',
      chat_template:
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
  };
}

export function writeSmallLanguageModel(
  folder: string,
  { config = smallLlama, dtype = 'float32' }: { config?: ModelFile; dtype?: FloatDType } = {},
): void {
  mkdirSync(folder, { recursive: true });
  const parameters = [
    ...languageModelParameters(languageFamilies[config.model_type].config.parse(config)),
  ];
  const tensors = new Map(
    parameters.map(([name, shape]) => [
      name,
      fromFloat32({ dtype: 'float32', shape, data: hashedWeight(name, shape) }, dtype),
    ]),
  );
  writeFileSync(join(folder, 'model.safetensors'), serialize(tensors, { format: 'pt' }));
  const files = { 'config.json': config, ...tokenizerFiles() };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), JSON.stringify(content));
}
