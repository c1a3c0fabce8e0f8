"""Loads converted adapters with diffusers' and PEFT's own loaders, and compares what they add to the weights of models/tiny-sd with alpha / rank * up @ down of the kohya file.

    python reference/converted_adapters.py KOHYA ADAPTER...

ADAPTER is a file for diffusers, or a folder with PEFT's adapters in unet/ and text_encoder/. Prints one line of JSON for each.
docs/compatibility.md has the results.
"""

import json
import os
import sys

import torch
from diffusers import StableDiffusionPipeline
from peft import PeftModel
from safetensors.torch import load_file

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models", "tiny-sd")


def expected(path):
    tensors = load_file(path)
    deltas = {}
    for name in sorted({key.split(".")[0] for key in tensors}):
        down, up, alpha = (tensors[f"{name}.{part}"].double() for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        deltas[name] = (alpha / down.shape[0]) * (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
    return deltas


def name_of(prefix, path):
    return f"{prefix}_{path.removesuffix('.weight').replace('.', '_')}"


def weights(pipeline):
    found = {name_of("lora_unet", k): v for k, v in pipeline.unet.state_dict().items() if k.endswith(".weight")}
    text = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in pipeline.text_encoder.state_dict().items()}
    found |= {name_of("lora_te", k): v for k, v in text.items() if k.endswith(".weight")}
    return {k: v.detach().double().clone() for k, v in found.items()}


def load(pipeline, adapter):
    if os.path.isfile(adapter):
        pipeline.load_lora_weights(os.path.dirname(adapter), weight_name=os.path.basename(adapter))
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
        return
    for component in ("unet", "text_encoder"):
        folder = os.path.join(adapter, component)
        if os.path.isdir(folder):
            setattr(pipeline, component, PeftModel.from_pretrained(getattr(pipeline, component), folder).merge_and_unload())


deltas = expected(sys.argv[1])
for adapter in sys.argv[2:]:
    pipeline = StableDiffusionPipeline.from_pretrained(MODEL, safety_checker=None, tokenizer=None, feature_extractor=None, image_encoder=None)
    pipeline.text_encoder.float()  # transformers loads it in the type of its file
    before = weights(pipeline)
    load(pipeline, adapter)
    after = weights(pipeline)
    changed = {k for k in after if not torch.equal(after[k], before[k])}
    worst = max(((after[k] - before[k] - d).abs().max() / d.abs().max()).item() for k, d in deltas.items() if d.abs().max() > 0)
    print(json.dumps({"adapter": os.path.basename(adapter), "modules": len(deltas), "changed": len(changed), "others changed": len(changed - deltas.keys()), "largest error": worst}))
