"""Which keys of a config.json each family obeys in transformers: logits of tiny models, with one key more or less.

    python reference/config_keys.py    writes reference/golden/config_keys.json (float32, a minute)

Weights come from hashed_weights.py. A case is what config.json says, and either the last row of logits
or the words with which transformers refuses it.
"""

import json
import os

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "config_keys.json")
LENGTH, VOCABULARY = 10, 24

SIZES = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rope_theta=100.0,
    pad_token_id=None, bos_token_id=None, eos_token_id=None,
)
FAMILIES = {
    "llama": {}, "mistral": dict(sliding_window=None), "qwen2": {}, "qwen3": dict(head_dim=8),
    "gemma2": dict(head_dim=8, sliding_window=64), "gemma3_text": dict(head_dim=8, sliding_window=64, sliding_window_pattern=2), "phi3": {},
}
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
GONE = object()

PROBES = {
    "nothing more": {},
    "partial_rotary_factor": dict(partial_rotary_factor=0.5),
    "partial_rotary_factor, rope linear": dict(partial_rotary_factor=0.5, rope_scaling=dict(type="linear", factor=4.0)),
    "partial_rotary_factor in rope_parameters": dict(rope_parameters=dict(rope_type="default", rope_theta=100.0, partial_rotary_factor=0.5)),
    "head_dim": dict(head_dim=16),
    "head_dim null": dict(head_dim=None),
    "sliding_window": dict(sliding_window=3),
    "use_sliding_window": dict(use_sliding_window=True, sliding_window=3, max_window_layers=1),
    "layer_types": dict(layer_types=["full_attention", "sliding_attention"], sliding_window=3),
    "layer_types, use_sliding_window": dict(layer_types=["full_attention", "sliding_attention"], sliding_window=3, use_sliding_window=True),
    "attention_bias": dict(attention_bias=True),
    "mlp_bias": dict(mlp_bias=True),
    "qkv_bias": dict(qkv_bias=True, no_bias=False, use_qkv_bias=True),
    "use_qk_norm": dict(use_qk_norm=True, qk_norm=True, qk_layernorm=True),
    "clip_qkv": dict(clip_qkv=0.1),
    "no_rope_layers": dict(no_rope_layers=[0, 1], no_rope_layer_interval=2),
    "multipliers": dict(embedding_multiplier=3.0, attention_multiplier=0.5, residual_multiplier=0.3, logits_scaling=4.0),
    "attn_logit_softcapping": dict(attn_logit_softcapping=0.2),
    "final_logit_softcapping": dict(final_logit_softcapping=0.2),
    "query_pre_attn_scalar": dict(query_pre_attn_scalar=1),
    "rope_local_base_freq": dict(rope_local_base_freq=7.0, sliding_window=3),
    "sliding_window_pattern": dict(sliding_window_pattern=3, sliding_window=3),
    "hidden_act": dict(hidden_act="gelu"),
    "hidden_activation": dict(hidden_activation="gelu"),
    "tie_word_embeddings": dict(tie_word_embeddings=True),
    "tie_word_embeddings false": dict(tie_word_embeddings=False),
    "rms_norm_eps": dict(rms_norm_eps=0.5),
    "layer_norm_eps": dict(layer_norm_eps=0.5, norm_epsilon=0.5),
    "num_key_value_heads left out": dict(hidden_size=64, num_attention_heads=16, head_dim=4, num_key_value_heads=GONE),
    "num_key_value_heads null": dict(num_key_value_heads=None),
    "rope_theta null": dict(rope_theta=None),
    "rope_theta left out": dict(rope_theta=GONE),
    "rope_parameters and rope_theta": dict(rope_parameters=dict(rope_type="default", rope_theta=7.0)),
    "rope_parameters and rope_scaling": dict(rope_parameters=dict(rope_type="default", rope_theta=7.0), rope_scaling=dict(rope_type="linear", factor=4.0)),
    "rope_scaling with a theta": dict(rope_scaling=dict(rope_type="linear", factor=4.0, rope_theta=7.0)),
    "rope_scaling of no type": dict(rope_scaling=dict(factor=4.0)),
    "rope_scaling type and rope_type": dict(rope_scaling=dict(rope_type="linear", type="dynamic", factor=4.0)),
    "rope_scaling {}": dict(rope_scaling={}),
    "rope llama3": dict(rope_scaling=LLAMA3),
    "rope llama3, original_max_position_embeddings": dict(rope_scaling=LLAMA3, original_max_position_embeddings=8),
    "rope yarn": dict(rope_scaling=YARN),
    "rope yarn, original_max_position_embeddings": dict(rope_scaling=YARN, original_max_position_embeddings=8),
    "rope yarn, no original length": dict(rope_scaling=dict(rope_type="yarn", factor=4.0)),
    "rope yarn, truncate false": dict(rope_scaling=dict(YARN, truncate=False, beta_fast=2.0)),
    "rope dynamic": dict(max_position_embeddings=8, rope_scaling=dict(type="dynamic", factor=2.0)),
    "rope by kind of layer": dict(
        rope_parameters=dict(full_attention=dict(rope_type="linear", factor=4.0, rope_theta=7.0), sliding_attention=dict(rope_type="default", rope_theta=50.0)),
        layer_types=["full_attention", "sliding_attention"], sliding_window=3, use_sliding_window=True),
    "use_bidirectional_attention": dict(use_bidirectional_attention=True),
}


def numbers(tensor):
    return [float(f"{x:.6g}") for x in tensor.detach().numpy().astype(np.float64).ravel()]


def logits(options):
    config = type(AutoConfig.for_model(options["model_type"])).from_dict(json.loads(json.dumps(options)))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(hashed_weights.weight(name, tuple(parameter.shape))))
    ids = np.floor((hashed_weights.uniforms("ids", (1, LENGTH)).astype(np.float64) + 1) / 2 * VOCABULARY)
    return model.eval()(input_ids=torch.from_numpy(ids.astype(np.int64)), use_cache=False).logits[0, -1]


def case(family, probe):
    options = SIZES | FAMILIES[family] | PROBES[probe] | dict(model_type=family)
    options = {key: value for key, value in options.items() if value is not GONE}
    try:
        return dict(config=options, logits=numbers(logits(options)))
    except Exception as error:
        return dict(config=options, refused=f"{type(error).__name__}: {error}".splitlines()[-1][:160])


if __name__ == "__main__":
    torch.set_num_threads(1)
    with open(GOLDEN, "w") as file:
        rows = [f"{json.dumps(f'{family}: {probe}')}: {json.dumps(case(family, probe), separators=(',', ':'))}" for family in FAMILIES for probe in PROBES]
        file.write("{\n" + ",\n".join(rows) + "\n}\n")
