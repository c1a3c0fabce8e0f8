"""Adapters whose start changed their base, saved by PEFT, and what PEFT computes when it loads them again.

    python reference/peft_starts.py    (torch, transformers 5.24, peft 0.21.2; float32; seconds)

writes into reference/golden/peft_starts/:
    pissa/, olora/          folders that PEFT saved, "trained" by hashed numbers; ranks, scales and patterns of all kinds
    golden.safetensors      per folder, loaded by PeftModel.from_pretrained: logits after PROMPT, and merged weights
    golden.json             every field of LoraConfig, of this PEFT
Base weights come from hashed_weights.py by their names, as in language_exports.py.
"""

import dataclasses
import json
import os

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.numpy import save_file

import hashed_weights
from language_exports import CASES, GOLDEN, PROMPT, make_model

FOLDER = os.path.join(GOLDEN, "peft_starts")
STARTS = {
    "pissa": dict(r=2, lora_alpha=3, rank_pattern={"down_proj": 4}, alpha_pattern={r"layers\.1\..*q_proj": 6}),
    "olora": dict(r=3, lora_alpha=4, use_rslora=True),
}


def save(name, options):
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "down_proj"], init_lora_weights=name, **options)
    model = get_peft_model(make_model(*CASES["llama"]), config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if ".lora_" in key:
                parameter.add_(0.05 * torch.from_numpy(hashed_weights.weight(key, tuple(parameter.shape))))
    folder = os.path.join(FOLDER, name)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    return folder


def main():
    tensors = {}
    for name, options in STARTS.items():
        model = PeftModel.from_pretrained(make_model(*CASES["llama"]), save(name, options)).eval()
        with torch.no_grad():
            tensors[f"{name}.logits"] = model(input_ids=torch.tensor([PROMPT])).logits[0, -1].numpy().copy()
        merged = model.merge_and_unload()
        for layer, path in [(0, "mlp.down_proj"), (1, "self_attn.q_proj")]:
            weight = merged.model.layers[layer].get_submodule(path).weight
            tensors[f"{name}.model.layers.{layer}.{path}.weight"] = weight.detach().numpy().copy()
    save_file(tensors, os.path.join(FOLDER, "golden.safetensors"))
    with open(os.path.join(FOLDER, "golden.json"), "w") as file:
        fields = sorted(field.name for field in dataclasses.fields(LoraConfig))
        json.dump({"made_by": "reference/peft_starts.py", "fields": fields}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
