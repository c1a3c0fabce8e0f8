"""Writes two small adapters for models/tiny-sd as other trainers leave them, to go on from: LyCORIS's LoCon and a file in kohya's layout.

    python reference/continued_adapters.py

Made with lycoris-lora 4.1.3 on torch 2.13.0; reference/golden/continued_adapters/ holds the results: the files, and in expected.json of
each layer rank, alpha, and what alpha / rank * up @ down adds (its norm and first numbers, in float64).
"""

import json
import os

import torch
from diffusers import UNet2DConditionModel
from lycoris import create_lycoris
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "models", "tiny-sd")
OUT = os.path.join(HERE, "golden", "continued_adapters")
os.makedirs(OUT, exist_ok=True)
torch.manual_seed(22)

unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet").float()
block = "mid_block.attentions.0"
layers = {
    f"{block}.transformer_blocks.0.attn2.to_k": (3, 1.5),
    f"{block}.transformer_blocks.0.attn1.to_out.0": (1, 4.0),
    f"{block}.proj_in": (2, 2.0),
    "mid_block.resnets.0.conv1": (2, 0.5),
}


def expected(tensors, paths):
    found = {}
    for path in paths:
        name = "lora_unet_" + path.replace(".", "_")
        down, up, alpha = (tensors[f"{name}.{part}"].double() for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        delta = (alpha / down.shape[0]) * (up.flatten(1) @ down.flatten(1))
        found[f"unet.{path}"] = {"rank": down.shape[0], "alpha": alpha.item(), "norm": delta.norm().item(), "first": delta.flatten()[:3].tolist()}
    return found


# LyCORIS's own network, saved by itself in half precision
network = create_lycoris(unet, 1.0, linear_dim=4, linear_alpha=2, conv_dim=2, conv_alpha=1, algo="locon")
network.apply_to()
for name, parameter in network.named_parameters():
    parameter.data = 0.3 * torch.randn_like(parameter)
path = os.path.join(OUT, "lycoris-locon.safetensors")
names = {"lora_unet_" + layer.replace(".", "_") for layer in layers}  # of all that it makes
state = {key.replace("lycoris_", "lora_unet_", 1): value for key, value in network.state_dict().items()}
state = {key: value for key, value in state.items() if key.split(".")[0] in names}
save_file({key: value.detach().half().contiguous() for key, value in state.items()}, path, {"ss_network_module": "lycoris.kohya", "ss_network_args": '{"algo": "locon"}'})
results = {"lycoris-locon": expected(load_file(path), layers)}

# kohya's layout, each layer with a rank and an alpha of its own, in bfloat16
tensors = {}
modules = dict(unet.named_modules())
for layer, (rank, alpha) in layers.items():
    shape = modules[layer].weight.shape
    name = "lora_unet_" + layer.replace(".", "_")
    tensors[f"{name}.lora_down.weight"] = (0.3 * torch.randn(rank, *shape[1:])).bfloat16()
    tensors[f"{name}.lora_up.weight"] = (0.3 * torch.randn(shape[0], rank, *([1] * (len(shape) - 2)))).bfloat16()
    tensors[f"{name}.alpha"] = torch.tensor(alpha).bfloat16()
path = os.path.join(OUT, "kohya-bf16.safetensors")
save_file(tensors, path, {"ss_network_module": "networks.lora"})
results["kohya-bf16"] = expected(load_file(path), layers)

with open(os.path.join(OUT, "expected.json"), "w") as file:
    json.dump(results, file, indent=1)
    file.write("\n")
