// Writes the tiny language models of reference/language_exports.py as Hugging Face folders, and
// their adapters, for tests.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { write } from '../checkpoints/small-model.test-util.ts';
import type { LanguageModelConfig } from '../models/language-config.ts';
import { languageFamilies } from '../models/language-families.ts';
import { hashedWeight } from '../models/hashed-weights.test-util.ts';
import { fromFloat32, type FloatDType } from '../tensor/half.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { float32, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { LanguageLora } from '../adapter-files/language-lora.ts';

/** A config.json, with the keys that these tests use. */
export interface ConfigFile {
  readonly model_type: string;
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim?: number;
  readonly tie_word_embeddings?: boolean;
}

export const readConfig = (config: ConfigFile): LanguageModelConfig =>
  languageFamilies[config.model_type].config.parse(config);

const headDim = ({ head_dim, hidden_size, num_attention_heads }: ConfigFile): number =>
  head_dim ?? hidden_size / num_attention_heads;

interface Golden {
  readonly prompt: readonly number[];
  readonly cases: Readonly<
    Record<
      string,
      {
        readonly config: ConfigFile;
        readonly base: readonly number[];
        readonly lora: readonly number[];
      }
    >
  >;
}

// The script writes exactly this.
export const golden = JSON.parse(
  readFileSync('reference/golden/language_exports.json', 'utf8'),
) as Golden;
const { tensors: goldenTensors } = deserialize(
  new Uint8Array(readFileSync('reference/golden/language_exports.safetensors')),
);

export function goldenTensor(name: string): Tensor {
  const found = goldenTensors.get(name);
  if (found === undefined) throw new Error(`no golden tensor ${name}`);
  return found;
}

const linears = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
];
const fused = ['self_attn.qkv_proj', 'self_attn.o_proj', 'mlp.gate_up_proj', 'mlp.down_proj'];

export function linearPaths(config: ConfigFile): string[] {
  const names = config.model_type === 'phi3' ? fused : linears;
  return Array.from({ length: config.num_hidden_layers }, (_, i) =>
    names.map((name) => `model.layers.${i}.${name}`),
  ).flat();
}

/** [out, in] of a linear layer. */
export function linearShape(config: ConfigFile, path: string): readonly [number, number] {
  const { hidden_size: hidden, intermediate_size: inner } = config;
  const q = config.num_attention_heads * headDim(config);
  const kv = config.num_key_value_heads * headDim(config);
  const shapes: Readonly<Record<string, readonly [number, number]>> = {
    q_proj: [q, hidden],
    k_proj: [kv, hidden],
    v_proj: [kv, hidden],
    qkv_proj: [q + 2 * kv, hidden],
    o_proj: [hidden, q],
    gate_proj: [inner, hidden],
    up_proj: [inner, hidden],
    gate_up_proj: [2 * inner, hidden],
    down_proj: [hidden, inner],
  };
  return shapes[path.slice(path.lastIndexOf('.') + 1)];
}

export function tinyWeights(config: ConfigFile): Map<string, Shape> {
  const { hidden_size: hidden, model_type: type } = config;
  const shapes = new Map<string, Shape>([
    ['model.embed_tokens.weight', [config.vocab_size, hidden]],
    ['model.norm.weight', [hidden]],
  ]);
  for (const path of linearPaths(config)) {
    shapes.set(`${path}.weight`, linearShape(config, path));
    if (type === 'qwen2' && /[qkv]_proj$/.test(path))
      shapes.set(`${path}.bias`, [linearShape(config, path)[0]]);
  }
  const norms = [
    'input_layernorm',
    'post_attention_layernorm',
    ...(type.startsWith('gemma')
      ? ['pre_feedforward_layernorm', 'post_feedforward_layernorm']
      : []),
  ];
  const headNorms =
    type === 'qwen3' || type === 'gemma3_text' ? ['self_attn.q_norm', 'self_attn.k_norm'] : [];
  for (let i = 0; i < config.num_hidden_layers; i++) {
    for (const name of norms) shapes.set(`model.layers.${i}.${name}.weight`, [hidden]);
    for (const name of headNorms) shapes.set(`model.layers.${i}.${name}.weight`, [headDim(config)]);
  }
  if (config.tie_word_embeddings === false)
    shapes.set('lm_head.weight', [config.vocab_size, hidden]);
  return shapes;
}

/** The folder of a golden case, in two shards, with a byte-level tokenizer. */
export function writeTinyModel(
  folder: string,
  name: string,
  dtype: FloatDType = 'float32',
): ConfigFile {
  const { config } = golden.cases[name];
  const all = Array.from(
    tinyWeights(config),
    ([key, shape]) => [key, fromFloat32(float32(shape, hashedWeight(key, shape)), dtype)] as const,
  );
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  files.forEach((file, i) =>
    write(
      join(folder, file),
      serialize(new Map(all.filter((_, j) => j % 2 === i)), { format: 'pt' }),
    ),
  );
  write(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({
      metadata: {},
      weight_map: Object.fromEntries(all.map(([key], j) => [key, files[j % 2]])),
    }),
  );
  write(join(folder, 'config.json'), JSON.stringify(config));
  write(join(folder, 'tokenizer.json'), JSON.stringify(tinyTokenizer()));
  write(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({
      bos_token: '<s>',
      eos_token: { content: '</s>' },
      chat_template: '{{ messages[0].content }}',
    }),
  );
  return config;
}

/** The adapter of a golden case: rank 4, alpha 2, rsLoRA, on every linear layer. */
export function tinyLora(config: ConfigFile): LanguageLora {
  const factor = (path: string, part: string, shape: Shape) =>
    float32(shape, hashedWeight(`${path}.${part}.weight`, shape));
  const modules = linearPaths(config).map((path) => {
    const [out, input] = linearShape(config, path);
    return {
      path,
      down: factor(path, 'lora_A', [4, input]),
      up: factor(path, 'lora_B', [out, 4]),
      alpha: 2,
    };
  });
  return { modules, rslora: true };
}

/**
 * The 256 letters that stand for bytes in byte-level BPE: printable ones themselves, the others
 * from U+0100 on.
 */
function byteLetters(): string[] {
  let next = 256;
  const isPrintable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  );
}

export const llama3Pattern = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

export function tinyTokenizer() {
  const merges = [
    ['h', 'e'],
    ['l', 'l'],
    ['he', 'll'],
    ['hell', 'o'],
    ['Ġ', 'w'],
    ['o', 'r'],
    ['Ġw', 'or'],
    ['1', '2'],
  ];
  const pieces = [...byteLetters(), '<s>', '</s>', ...merges.map((pair) => pair.join(''))];
  const added = (id: number) => ({
    id,
    content: pieces[id],
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  return {
    version: '1.0',
    added_tokens: [added(256), added(257)],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [256], tokens: ['<s>'] } },
    },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(pieces.map((text, id) => [text, id])),
      merges,
      ignore_merges: true,
      byte_fallback: false,
    },
  };
}

/** A tokenizer of the SentencePiece kind, as that of Llama 2. */
export function tinySentencePiece() {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const merges = ['h e', 'l l', 'he ll', 'hell o', '▁ w', 'o r', '▁w or'];
  const pieces = [
    '<unk>',
    '<s>',
    '</s>',
    ...bytes,
    '▁',
    'h',
    'e',
    'l',
    'o',
    'w',
    'r',
    ...merges.map((merge) => merge.replace(' ', '')),
  ];
  const added = (id: number) => ({
    id,
    content: pieces[id],
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  return {
    version: '1.0',
    added_tokens: [added(0), added(1), added(2)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(pieces.map((text, id) => [text, id])),
      merges,
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}
