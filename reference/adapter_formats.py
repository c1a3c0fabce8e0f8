"""Writes one small adapter for models/tiny-sd as PEFT, diffusers (new, with metadata, and old) and kohya have it.

    python reference/adapter_formats.py

Made with peft 0.21.2 and diffusers 0.42.1; reference/golden/adapter_formats/ holds the results: the files, and in
expected.json of each layer the scale and what the adapter adds to the first two numbers of its weight.
"""

import json
import os
import shutil

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextModel

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "models", "tiny-sd")
OUT = os.path.join(HERE, "golden", "adapter_formats")

torch.manual_seed(22)
shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)

unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")
text = CLIPTextModel.from_pretrained(MODEL, subfolder="text_encoder")
block = "mid_block.attentions.0"
configs = {
    "unet": LoraConfig(
        r=2, lora_alpha=1,
        target_modules=[f"{block}.transformer_blocks.0.attn2.to_k", f"{block}.transformer_blocks.0.attn1.to_out.0", f"{block}.proj_in", "mid_block.resnets.0.conv1"],
        rank_pattern={f"{block}.proj_in": 1}, alpha_pattern={"mid_block.resnets.0.conv1": 3},
    ),
    "text_encoder": LoraConfig(r=2, lora_alpha=6, target_modules=["layers.0.self_attn.q_proj", "layers.0.mlp.fc1"]),
}
models = {"unet": get_peft_model(unet, configs["unet"]), "text_encoder": get_peft_model(text, configs["text_encoder"])}

expected, states = {}, {}
for component, model in models.items():
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter).to(torch.float16).float()
    model.to(torch.float32)
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and len(module.lora_A) > 0:
            path = name.removeprefix("base_model.model.")
            path = f"text_encoder.text_model.{path}" if component == "text_encoder" else f"unet.{path}"
            delta = module.get_delta_weight("default").detach()
            expected[path] = {"rank": module.r["default"], "scale": module.scaling["default"], "first": delta.flatten()[:2].tolist(), "norm": delta.double().norm().item()}
    states[component] = {k: v.detach().half() for k, v in get_peft_model_state_dict(model).items()}
    if component == "text_encoder":
        model.peft_config["default"].base_model_name_or_path = "models/tiny-sd"  # not where this machine has it
    model.half().save_pretrained(os.path.join(OUT, "peft", component))
    card = os.path.join(OUT, "peft", component, "README.md")
    if os.path.exists(card):
        os.remove(card)

def plain(component):
    return {k.removeprefix("base_model.model."): v for k, v in states[component].items()}

def metadata(component):
    config = configs[component].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    return {k: v for k, v in config.items() if k in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "use_dora", "use_rslora", "lora_bias")}

# as examples/text_to_image/train_text_to_image_lora.py saves it today
StableDiffusionPipeline.save_lora_weights(
    os.path.join(OUT, "diffusers"), unet_lora_layers=plain("unet"), text_encoder_lora_layers=plain("text_encoder"),
    unet_lora_adapter_metadata=metadata("unet"), text_encoder_lora_adapter_metadata=metadata("text_encoder"))

# as it was saved before: no metadata, the older words
old = {f"unet.{k}": v for k, v in convert_state_dict_to_diffusers(plain("unet")).items()}
for k, v in plain("text_encoder").items():
    old[f"text_encoder.text_model.{k.replace('.lora_A.', '.lora_linear_layer.down.').replace('.lora_B.', '.lora_linear_layer.up.')}"] = v
save_file(old, os.path.join(OUT, "diffusers-old.safetensors"), {"format": "pt"})

# by diffusers' own conversion, which takes the rank for alpha
kohya = convert_state_dict_to_kohya({f"unet.{k}": v for k, v in plain("unet").items()} | {f"text_encoder.text_model.{k}": v for k, v in plain("text_encoder").items()})
save_file({k: v.contiguous() for k, v in kohya.items()}, os.path.join(OUT, "kohya.safetensors"))

with open(os.path.join(OUT, "expected.json"), "w") as file:
    json.dump(expected, file, indent=1)
    file.write("\n")
