"""The layers of Stable Diffusion XL by their names in kohya's files, as diffusers' own conversion maps them.

    python reference/xl_names.py

Writes reference/golden/xl_names.json: kohya's name -> path of the layer. Made with diffusers 0.42.1.
"""

import json
import os
import re
from types import SimpleNamespace

import torch
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_lora_to_diffusers, _maybe_map_sgm_blocks_to_diffusers

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = ["attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out_0", "attn2_to_k", "ff_net_0_proj", "ff_net_2"]

blocks = [f"input_blocks_{b}_1" for b in (4, 5, 7, 8)] + ["middle_block_1"] + [f"output_blocks_{b}_1" for b in range(6)]
names = [f"lora_unet_{block}_{layer}" for block in blocks for layer in ["proj_in", "proj_out"] + [f"transformer_blocks_1_{layer}" for layer in LAYERS]]
names += ["lora_unet_" + name for name in [
    "input_blocks_1_0_in_layers_2", "input_blocks_2_0_out_layers_3", "input_blocks_4_0_skip_connection", "input_blocks_3_0_op", "input_blocks_6_0_op",
    "middle_block_0_emb_layers_1", "middle_block_2_in_layers_2", "output_blocks_0_0_in_layers_2", "output_blocks_8_0_skip_connection", "output_blocks_2_2_conv", "output_blocks_5_2_conv"]]
names += ["lora_te1_text_model_encoder_layers_3_self_attn_q_proj", "lora_te2_text_model_encoder_layers_31_mlp_fc2"]

state = {}
for i, name in enumerate(names):
    state |= {f"{name}.lora_down.weight": torch.full((1, 1), float(i)), f"{name}.lora_up.weight": torch.full((1, 1), float(i)), f"{name}.alpha": torch.tensor(1.0)}
converted, _ = _convert_non_diffusers_lora_to_diffusers(_maybe_map_sgm_blocks_to_diffusers(state, SimpleNamespace(layers_per_block=2)))


def path(key):
    """diffusers keeps the spelling of its first version between the two: processor.to_q_lora."""
    key = re.sub(r"(_lora|\.lora|\.lora_linear_layer)\.down\.weight$", "", key.replace(".processor", ""))
    key = re.sub(r"self_attn\.to_([qkv])$", r"self_attn.\1_proj", key)
    return re.sub(r"\.to_out$", ".to_out.0", key)


found = {names[int(value.item())]: path(key) for key, value in converted.items() if ".down." in key}
assert len(found) == len(names)
with open(os.path.join(HERE, "golden", "xl_names.json"), "w") as file:
    json.dump(found, file, indent=1)
    file.write("\n")
