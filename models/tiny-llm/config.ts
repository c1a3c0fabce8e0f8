// The sizes of the embedded language model, its special tokens, and its chat template.
import { languageFamilies } from '../../src/models/language-families.ts';
import type { LanguageModelConfig } from '../../src/models/language-config.ts';
import { chatTemplates } from '../../src/tokenizer/chat-templates.ts';

/** Ends each turn. */
export const END = '<|end|>';
export const PAD = '<|pad|>';
/** By id. Those of the roles are what the template writes. */
export const specialTokens = [PAD, END, '<|system|>', '<|user|>', '<|assistant|>'] as const;
/**
 * Pieces beyond about 800 occur less than once in a thousand dialogues: too rarely for their
 * embeddings to be learned.
 */
export const VOCABULARY = 1024;

const id = (token: (typeof specialTokens)[number]): number => specialTokens.indexOf(token);

/** config.json, without the type of the weights. */
export const configFile = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: VOCABULARY,
  hidden_size: 256,
  intermediate_size: 544,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 64,
  hidden_act: 'silu',
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  rope_scaling: null,
  attention_bias: false,
  mlp_bias: false,
  attention_dropout: 0,
  initializer_range: 0.02,
  tie_word_embeddings: true,
  bos_token_id: null,
  eos_token_id: id(END),
  pad_token_id: id(PAD),
  use_cache: true,
} as const;

export const tinyLanguageModel: LanguageModelConfig =
  languageFamilies['llama'].config.parse(configFile);

/** tokenizer_config.json. The template is Phi-3's, known by its special tokens. */
export const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  add_bos_token: false,
  add_eos_token: false,
  clean_up_tokenization_spaces: false,
  model_max_length: configFile.max_position_embeddings,
  bos_token: null,
  eos_token: END,
  pad_token: PAD,
  unk_token: null,
  chat_template: chatTemplates['phi-3'],
} as const;
