"""Logits and gradients of tiny language models from transformers, one for each family and each difference between them.

    python reference/language_models.py    writes reference/golden/language_models.json (float32, a few seconds)

Weights come from hashed_weights.py by their checkpoint keys, so none are stored. `options` is what an older
config.json says of the model, `config` the file that transformers 5 writes for it.
"""

import json
import os

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "language_models.json")
BATCH, LENGTH, VOCABULARY = 2, 10, 24

SIZES = dict(
    vocab_size=VOCABULARY,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    pad_token_id=None,
    bos_token_id=None,
    eos_token_id=None,
)
TWO = {"head_dim": 8, "rope_theta": 100.0}
SHORT, LONG = [1.0, 1.1, 1.3, 1.5], [1.5, 2.0, 3.0, 4.0]

# name -> model_type and what its config.json says beside SIZES
CASES = {
    "llama": ("llama", dict(rope_theta=100.0)),
    "llama, tied, biases": ("llama", dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, hidden_act="gelu")),
    "llama, one head each": ("llama", dict(num_key_value_heads=4, rms_norm_eps=1e-2)),
    "llama, rope llama3": ("llama", dict(TWO, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32))),
    "llama, rope linear": ("llama", dict(TWO, rope_scaling=dict(type="linear", factor=4.0))),
    "llama, rope dynamic": ("llama", dict(TWO, max_position_embeddings=8, rope_scaling=dict(type="dynamic", factor=2.0))),
    "llama, rope dynamic, short": ("llama", dict(TWO, rope_scaling=dict(type="dynamic", factor=2.0))),
    "mistral": ("mistral", dict(head_dim=8, sliding_window=None, rope_theta=100.0)),
    "mistral, window": ("mistral", dict(sliding_window=4, rope_theta=100.0)),
    "qwen2": ("qwen2", dict(rope_theta=100.0, sliding_window=3, use_sliding_window=False)),
    "qwen2, tied, window above a layer": ("qwen2", dict(tie_word_embeddings=True, use_sliding_window=True, sliding_window=3, max_window_layers=1, rope_theta=100.0)),
    "qwen2, rope yarn": ("qwen2", dict(rope_theta=100.0, hidden_size=32, rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=16))),
    "qwen3": ("qwen3", dict(TWO, tie_word_embeddings=True)),
    "qwen3, rope yarn": ("qwen3", dict(TWO, rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=4, beta_slow=2, attention_factor=1.2))),
    "gemma2": ("gemma2", dict(TWO, attn_logit_softcapping=1.5, final_logit_softcapping=2.0, query_pre_attn_scalar=6, sliding_window=4)),
    "gemma3_text": ("gemma3_text", dict(head_dim=8, num_hidden_layers=3, rope_theta=1000.0, rope_local_base_freq=50.0, sliding_window=4, sliding_window_pattern=2, query_pre_attn_scalar=6, rope_scaling=dict(rope_type="linear", factor=8.0))),
    "phi3": ("phi3", dict(sliding_window=None, rope_theta=100.0)),
    "phi3, window, partial rotary": ("phi3", dict(hidden_size=32, partial_rotary_factor=0.5, sliding_window=6, rope_theta=100.0, tie_word_embeddings=True)),
    "phi3, longrope, long": ("phi3", dict(hidden_size=32, rope_theta=100.0, original_max_position_embeddings=8, rope_scaling=dict(type="longrope", original_max_position_embeddings=8, short_factor=SHORT, long_factor=LONG))),
    "phi3, longrope, short": ("phi3", dict(hidden_size=32, rope_theta=100.0, original_max_position_embeddings=16, rope_scaling=dict(type="longrope", original_max_position_embeddings=16, short_factor=SHORT, long_factor=LONG))),
}

# Gradients of sum(logits * hashed numbers) by some of the weights that adapters stand beside.
GRADIENTS = {
    "qwen3": ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.gate_proj.weight"],
    "gemma2": ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.v_proj.weight", "model.layers.1.mlp.down_proj.weight"],
    "phi3, window, partial rotary": ["model.layers.0.self_attn.o_proj.weight", "model.layers.1.self_attn.qkv_proj.weight"],
}


def make(model_type, options):
    config = AutoConfig.for_model(model_type, **SIZES | json.loads(json.dumps(options)))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(hashed_weights.weight(name, tuple(parameter.shape))))
    return model.eval()


def numbers(tensor):
    return [float(f"{x:.7g}") for x in tensor.detach().numpy().astype(np.float64).ravel()]


def gradients(model, logits, names):
    weights = torch.from_numpy(hashed_weights.uniforms("loss", tuple(logits.shape)))
    (logits * weights).sum().backward()
    found = dict(model.named_parameters())
    return {name: numbers(found[name].grad) for name in names}


def case(name, model_type, options):
    model = make(model_type, options)
    ids = np.floor((hashed_weights.uniforms("ids", (BATCH, LENGTH)).astype(np.float64) + 1) / 2 * VOCABULARY)
    logits = model(input_ids=torch.from_numpy(ids.astype(np.int64)), use_cache=False).logits
    config = {key: value for key, value in model.config.to_dict().items() if not key.startswith("_")}
    shapes = {key: list(value.shape) for key, value in model.named_parameters()}
    result = dict(options=SIZES | dict(options, model_type=model_type), config=config, parameters=shapes, logits=numbers(logits))
    if name in GRADIENTS:
        result["gradients"] = gradients(model, logits, GRADIENTS[name])
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    with open(GOLDEN, "w") as file:
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(case(name, *given), separators=(',', ':'))}" for name, given in CASES.items())
        file.write(f'{{"batch": {BATCH}, "length": {LENGTH}, "cases": {{\n{rows}\n}}}}\n')
