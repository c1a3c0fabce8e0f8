// What llama.cpp calls the families of language models and their tensors, and in what order it
// wants their rows. Read in llama.cpp's convert_lora_to_gguf.py, conversion scripts and
// src/llama-arch.cpp (2026).

import { UserError } from '../errors.ts';

export interface GgufFamily {
  readonly architecture: 'llama' | 'qwen2' | 'qwen3' | 'gemma2' | 'gemma3' | 'phi3';
  /** The rows of q and k go from halves (rotate_half) to pairs. */
  readonly permuted: boolean;
  /** Gemma's norms are 1 + w; llama.cpp wants the sum. */
  readonly normShift: 0 | 1;
  readonly activation: 'silu' | 'gelu_pytorch_tanh';
  /** The layer that `queryFactor` goes into. */
  readonly queryScale?: 'self_attn.q_proj' | 'self_attn.q_norm';
  /** Names under `model.layers.N.` → names under `blk.N.`. */
  readonly layer: Readonly<Record<string, string>>;
}

const attention = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
} as const;
const mlp = {
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
} as const;
const headNorms = { 'self_attn.q_norm': 'attn_q_norm', 'self_attn.k_norm': 'attn_k_norm' } as const;
const twoNorms = { input_layernorm: 'attn_norm', post_attention_layernorm: 'ffn_norm' } as const;
const fourNorms = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
} as const;
const fused = {
  'self_attn.qkv_proj': 'attn_qkv',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
} as const;

const llama: GgufFamily = {
  architecture: 'llama',
  permuted: true,
  normShift: 0,
  activation: 'silu',
  layer: { ...attention, ...mlp, ...twoNorms },
};
const gemma2: GgufFamily = {
  architecture: 'gemma2',
  permuted: false,
  normShift: 1,
  activation: 'gelu_pytorch_tanh',
  queryScale: 'self_attn.q_proj',
  layer: { ...attention, ...mlp, ...fourNorms },
};
const gemma3: GgufFamily = {
  ...gemma2,
  architecture: 'gemma3',
  queryScale: 'self_attn.q_norm',
  layer: { ...gemma2.layer, ...headNorms },
};

/** By `model_type`. */
const families: Readonly<Record<string, GgufFamily>> = {
  llama,
  mistral: llama,
  qwen2: { ...llama, architecture: 'qwen2', permuted: false },
  qwen3: {
    ...llama,
    architecture: 'qwen3',
    permuted: false,
    layer: { ...llama.layer, ...headNorms },
  },
  gemma2,
  gemma3,
  gemma3_text: gemma3,
  phi3: {
    architecture: 'phi3',
    permuted: false,
    normShift: 0,
    activation: 'silu',
    layer: { ...fused, ...twoNorms },
  },
};

/** Throws UserError for a family that has no table here. */
export function ggufFamily(modelType: string): GgufFamily {
  const family = Object.hasOwn(families, modelType) ? families[modelType] : undefined;
  if (family !== undefined) return family;
  throw new UserError([
    {
      where: `model_type ${modelType}`,
      what: 'this family is not written as GGUF',
      fix: `Families that are: ${Object.keys(families).join(', ')}.`,
    },
  ]);
}

const outside: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
};

/**
 * `model.layers.3.self_attn.q_proj` → `blk.3.attn_q`; nothing for what the family does not have.
 */
export function ggufModuleName(family: GgufFamily, path: string): string | undefined {
  const inside = /^model\.layers\.(\d+)\.(.+)$/.exec(path);
  if (inside === null) return Object.hasOwn(outside, path) ? outside[path] : undefined;
  const [, index, name] = inside;
  return Object.hasOwn(family.layer, name) ? `blk.${index}.${family.layer[name]}` : undefined;
}

/** Heads whose rows a tensor's permutation runs over; nothing when its rows stay. */
export function permutedHeads(
  family: GgufFamily,
  path: string,
  heads: number,
  kvHeads: number,
): number | undefined {
  if (!family.permuted) return undefined;
  if (path.endsWith('.self_attn.q_proj')) return heads;
  return path.endsWith('.self_attn.k_proj') ? kvHeads : undefined;
}

/**
 * Within each head, row j of the first half and row j of the second become rows 2j and 2j + 1.
 * `data`: [rows, columns].
 */
export function permuteRows(data: Float32Array, rows: number, heads: number): Float32Array {
  const columns = data.length / rows;
  const half = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const to = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    out.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}
