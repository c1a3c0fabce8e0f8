// What llama.cpp has of a family of language models: its name, the names of tensors and the order
// of their rows, and what it computes. Read in llama.cpp's convert_lora_to_gguf.py, conversion
// scripts and src/llama-arch.cpp (2026).

import type { Activation } from '../nn/gated-mlp.ts';
import type { RopeScaling } from '../nn/rotary.ts';

export interface GgufFamily {
  readonly architecture: 'llama' | 'qwen2' | 'qwen3' | 'gemma2' | 'gemma3' | 'phi3';
  /** Names under `model.layers.N.` → names under `blk.N.`. */
  readonly layer: Readonly<Record<string, string>>;
  readonly activation: Activation;
  /** The rows of q and k go from halves (rotate_half) to pairs. */
  readonly permuted: boolean;
  /** Gemma's norms are 1 + w; llama.cpp wants the sum. */
  readonly normShift: 0 | 1;
  /** Kinds of rotary scaling that it computes. */
  readonly scalings: readonly RopeScaling['rope_type'][];
  /** Whether it may turn a part of each head, `rope.dimension_count`. */
  readonly partialRotary: boolean;
  /**
   * How it sees layers with a window: it does not, and computes the same within the window
   * (`unseen`, with the key in the file or without); a model with one must not be written
   * (`refused`); or every `period`th layer is full, the others have one.
   */
  readonly windows:
    | { readonly kind: 'refused' }
    | { readonly kind: 'unseen'; readonly told: boolean }
    | { readonly kind: 'periodic'; readonly period: number };
  /** Theta of the layers with a window, unless the file says another. */
  readonly localTheta?: number;
  /** Whether o_proj may have a bias. */
  readonly outputBias: boolean;
  /** Whether scores and logits are capped; it then always caps. */
  readonly capped: boolean;
  /** Whether it has an output layer of its own, beside the embedding. */
  readonly ownHead: boolean;
  /**
   * Where it does not scale scores by the file's number: the layer that takes the difference, and
   * how many layers the largest model has, in which a head's channels count otherwise.
   */
  readonly queryScale?: {
    readonly layer: 'self_attn.q_proj' | 'self_attn.q_norm';
    readonly largest: number;
  };
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
const fused = {
  'self_attn.qkv_proj': 'attn_qkv',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
} as const;
const twoNorms = { input_layernorm: 'attn_norm', post_attention_layernorm: 'ffn_norm' } as const;
const fourNorms = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
} as const;

/** Tables of names that families put together. */
export const ggufNames = {
  attention,
  mlp,
  fused,
  twoNorms,
  fourNorms,
  headNorms: { 'self_attn.q_norm': 'attn_q_norm', 'self_attn.k_norm': 'attn_k_norm' },
} as const;

/** As llama.cpp has Llama; the other families say how they differ. */
export const ggufLlama: GgufFamily = {
  architecture: 'llama',
  layer: { ...attention, ...mlp, ...twoNorms },
  activation: 'silu',
  permuted: true,
  normShift: 0,
  scalings: ['default', 'linear', 'yarn', 'llama3'],
  partialRotary: true,
  windows: { kind: 'refused' },
  outputBias: true,
  capped: false,
  ownHead: true,
};
