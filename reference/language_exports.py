"""What transformers, PEFT and gguf-py say of tiny language models, adapters and quantised blocks.

    python reference/language_exports.py    (torch, transformers 5.24, peft 0.21.2, gguf 0.19; float32; a minute)

writes into reference/golden/:
    language_exports.json           per family: config.json, greedy tokens after PROMPT without and with a LoRA
    language_exports.safetensors    logits at the end of the prompt, without and with it; merged weights; blocks of gguf-py
    peft_adapter/                   a folder that PEFT saved, with patterns
    gguf_py.gguf                    a file that gguf-py wrote
Weights and adapters come from hashed_weights.py by their names.
"""

import json
import os

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
PROMPT = [5, 17, 200, 31, 64, 8, 120]
SIZES = dict(vocab_size=288, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=128, bos_token_id=256, eos_token_id=257, pad_token_id=None)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
CASES = {
    "llama": ("llama", dict(rope_theta=500.0, rope_scaling=LLAMA3, tie_word_embeddings=False)),
    "mistral": ("mistral", dict(sliding_window=None, head_dim=32, tie_word_embeddings=False)),
    "qwen2": ("qwen2", dict(tie_word_embeddings=True)),
    "qwen3": ("qwen3", dict(head_dim=32, tie_word_embeddings=True)),
    "gemma2": ("gemma2", dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=64, attn_logit_softcapping=50.0, final_logit_softcapping=30.0)),
    "gemma3_text": ("gemma3_text", dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=64, num_hidden_layers=6, rope_theta=1000000.0)),
    "phi3": ("phi3", dict(tie_word_embeddings=False, sliding_window=None)),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj"]


def make_model(model_type, options):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **{**SIZES, **options}), attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(hashed_weights.weight(name, tuple(parameter.shape))))
    return model


def add_lora(model, **options):
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=[name for name in TARGETS if name in names], **options))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                key = name.replace("base_model.model.", "").replace(".default", "")
                parameter.copy_(torch.from_numpy(hashed_weights.weight(key, tuple(parameter.shape))))
    return adapted.eval()


def answer(model):
    ids = list(PROMPT)
    first = None
    with torch.no_grad():
        for _ in range(8):
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            first = logits if first is None else first
            ids.append(int(logits.argmax()))
    return first.numpy().copy(), ids[len(PROMPT):]


def models(tensors):
    cases = {}
    for name, (model_type, options) in CASES.items():
        model = make_model(model_type, options)
        config = json.loads(model.config.to_json_string(use_diff=False))
        tensors[f"{name}.base"], base = answer(model)
        adapted = add_lora(model, r=4, lora_alpha=2, use_rslora=True)
        tensors[f"{name}.lora"], lora = answer(adapted)
        cases[name] = {"config": {key: value for key, value in config.items() if value is not None and not key.startswith(("id2", "label2", "_"))}, "base": base, "lora": lora}
        if name == "llama":
            merged = adapted.merge_and_unload()
            tensors["merged.float32"] = merged.model.layers[0].self_attn.k_proj.weight.detach().numpy().copy()
            half = add_lora(make_model(model_type, options).bfloat16(), r=4, lora_alpha=2, use_rslora=True).merge_and_unload()
            tensors["merged.bfloat16"] = half.model.layers[0].self_attn.k_proj.weight.detach().float().numpy().copy()
    return cases


def peft_folder(tensors):
    """q and v alone, with patterns; read back by PEFT for the logits."""
    model = make_model(*CASES["llama"])
    names = dict(r=2, lora_alpha=4, rank_pattern={"v_proj": 3}, alpha_pattern={r"layers\.1\..*q_proj": 6}, lora_dropout=0.1, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, LoraConfig(**names)).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.copy_(torch.from_numpy(hashed_weights.weight(name.replace("base_model.model.", "").replace(".default", ""), tuple(parameter.shape))))
    folder = os.path.join(GOLDEN, "peft_adapter")
    adapted.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    tensors["peft.merged"] = adapted.merge_and_unload().model.layers[1].self_attn.q_proj.weight.detach().numpy().copy()


def blocks(tensors):
    values = hashed_weights.uniforms("blocks", (4, 64))
    tensors["blocks.values"] = values
    for name in ["Q8_0", "Q4_0", "Q4_1"]:
        kind = gguf.GGMLQuantizationType[name]
        packed = gguf.quants.quantize(values, kind)
        tensors[f"blocks.{name.lower()}"] = packed.reshape(-1).copy()
        tensors[f"blocks.{name.lower()}.decoded"] = gguf.quants.dequantize(packed, kind)
    random = np.random.default_rng(0)
    for name, size, halves in [("Q4_K", 144, [0, 2]), ("Q6_K", 210, [208])]:
        packed = random.integers(0, 256, (2, size), dtype=np.uint8)
        for at in halves:
            packed[:, at:at + 2] = np.array([[0.01], [0.02]], dtype=np.float16).view(np.uint8)
        tensors[f"blocks.{name[:3].lower()}K"] = packed.reshape(-1).copy()
        tensors[f"blocks.{name[:3].lower()}K.decoded"] = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType[name])


def gguf_file():
    writer = gguf.GGUFWriter(os.path.join(GOLDEN, "gguf_py.gguf"), "llama")
    for name, value in [("uint8", 200), ("int8", -5), ("uint16", 60000), ("int16", -300), ("uint32", 4000000000), ("int32", -70000), ("uint64", 2**40), ("int64", -2**40), ("float32", 0.5), ("float64", 0.1), ("bool", True), ("string", "中文")]:
        getattr(writer, f"add_{name}")(f"test.{name}", value)
    writer.add_array("test.texts", ["a", "", "ß"])
    writer.add_array("test.numbers", [1, 2, 3])
    writer.add_tensor("a", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("b", np.arange(6, dtype=np.float16).reshape(3, 2))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    tensors = {}
    gguf_file()
    blocks(tensors)
    cases = models(tensors)
    peft_folder(tensors)
    save_file(tensors, os.path.join(GOLDEN, "language_exports.safetensors"))
    with open(os.path.join(GOLDEN, "language_exports.json"), "w") as file:
        json.dump({"made_by": "reference/language_exports.py", "prompt": PROMPT, "cases": cases}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
