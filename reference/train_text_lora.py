"""Fifty steps of LoRA training of tiny language models with PEFT and transformers, batches given: the loss of each step.

    python reference/train_text_lora.py    writes reference/golden/train_text_lora.json

Base weights come from hashed_weights.py by their checkpoint keys; A is drawn by hash, B is zero. A batch has 2 rows;
labels are -100 where nothing is trained. Loss: sum over trained tokens / their number in the whole accumulated batch.
AdamW, cosine schedule with warm-up, gradients clipped to norm 1.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, get_scheduler

import hashed_weights

GOLDEN = Path(__file__).parent / "golden" / "train_text_lora.json"
STEPS, WARMUP, RATE, VOCABULARY, ROWS = 50, 5, 3e-3, 40, 2
LENGTHS = [12, 9]  # three steps each, in turn

SIZES = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, pad_token_id=None, bos_token_id=None, eos_token_id=None)
CASES = {
    "llama, tied": dict(model=dict(model_type="llama", rope_theta=100.0, tie_word_embeddings=True), lora=dict(r=4, lora_alpha=8, target_modules="all-linear"), accumulation=1),
    "gemma2, rsLoRA, patterns, two batches a step": dict(
        model=dict(model_type="gemma2", head_dim=8, rope_theta=100.0, attn_logit_softcapping=1.5, final_logit_softcapping=2.0, query_pre_attn_scalar=6, sliding_window=4),
        lora=dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], use_rslora=True, rank_pattern={"down_proj": 2}, alpha_pattern={"1.self_attn.v_proj": 3}),
        accumulation=2,
    ),
}


def below(name, limit, *shape):
    u = hashed_weights.uniforms(name, shape).astype(np.float64)
    return torch.from_numpy(np.floor((u + 1) / 2 * limit).astype(np.int64))


def batch(index):
    length = LENGTHS[index // 3 % len(LENGTHS)]
    ids = below(f"text.ids.{index}", VOCABULARY, ROWS, length)
    trained = below(f"text.trained.{index}", 3, ROWS, length) > 0
    return ids, torch.where(trained, ids, -100)


def make(model):
    config = AutoConfig.for_model(model["model_type"], **SIZES | {k: v for k, v in model.items() if k != "model_type"})
    base = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            parameter.copy_(torch.from_numpy(hashed_weights.weight(name, tuple(parameter.shape))))
    return base


def train(case, dtype):
    model = get_peft_model(make(case["model"]), LoraConfig(task_type="CAUSAL_LM", **case["lora"])).to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_A" in name:
                path = name.removeprefix("base_model.model.").replace(".lora_A.default.weight", ".lora_down.weight")
                parameter.copy_(torch.from_numpy(hashed_weights.uniforms(path, tuple(parameter.shape)) * np.float32(1 / math.sqrt(parameter.shape[1]))))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    schedule = get_scheduler("cosine", optimiser, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    losses, norms = [], []
    for step in range(STEPS):
        batches = [batch(step * case["accumulation"] + i) for i in range(case["accumulation"])]
        items = sum((labels[:, 1:] != -100).sum() for _, labels in batches)
        total = 0.0
        for ids, labels in batches:
            loss = model(input_ids=ids, labels=labels, num_items_in_batch=items, use_cache=False).loss
            loss.backward()
            total += loss.item()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).item())
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(total)
    return losses, norms, len(parameters) // 2


if __name__ == "__main__":
    results = []
    for name, case in CASES.items():
        single, _, _ = train(case, torch.float32)
        double, norms, modules = train(case, torch.float64)
        spread = max(abs(a - b) / b for a, b in zip(single, double))
        print(f"{name}: {modules} adapters, loss {double[0]:.4f} -> {double[-1]:.4f}; float32 against float64: {spread:.2g}")
        results.append(case | dict(name=name, modules=modules, float32_against_float64=spread, losses=double, gradient_norms=norms))
    settings = dict(steps=STEPS, warmup=WARMUP, rate=RATE, rows=ROWS, vocabulary=VOCABULARY, lengths=LENGTHS, sizes=SIZES)
    GOLDEN.write_text(json.dumps(settings | dict(cases=results)) + "\n")
