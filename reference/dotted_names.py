"""Which spellings of a layer's name ComfyUI and Forge find in a LoRA file for Stable Diffusion 1.5, by their own tables of names.

    python reference/dotted_names.py COMFYUI FORGE

COMFYUI and FORGE are checkouts. Writes reference/golden/dotted_names.json: for each spelling whether the program gives it to a
layer; what follows the name (.lora_up.weight, .lora_B.weight, ...) does not matter. Run with ComfyUI a125cd84 (0.3.64) and
Forge dfdcbab6; ComfyUI 17358c8f has the same table for Stable Diffusion.
"""

import json
import os
import sys
from unittest.mock import MagicMock

from loaders import functions_of, ldm_trees, stand_in

PATHS = ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
         "up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj", "mid_block.attentions.0.proj_in", "down_blocks.1.resnets.0.conv1",
         "down_blocks.1.resnets.0.time_emb_proj", "down_blocks.0.downsamplers.0.conv", "up_blocks.1.upsamplers.0.conv"]
LDM = ["input_blocks.1.1.transformer_blocks.0.attn1.to_q", "input_blocks.4.0.in_layers.2", "middle_block.1.proj_in"]
TEXT = ["text_model.encoder.layers.3.self_attn.q_proj", "text_model.encoder.layers.3.mlp.fc1", "encoder.layers.3.mlp.fc1", "text_model.encoder.layers.3.self_attn.to_q"]
SUFFIXES = [".lora_up.weight", ".lora_B.weight", ".lora.up.weight", "_lora.up.weight", ".lora_linear_layer.up.weight"]
CONFIG = {"num_res_blocks": [2, 2, 2, 2], "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_output": [1] * 9 + [0] * 3, "transformer_depth_middle": 1}


def spellings():
    for path in PATHS:
        beside = path.replace(".to_", ".processor.to_").removesuffix(".0")
        for name in dict.fromkeys([path, beside]):
            for prefix in ("unet.", "", "lycoris_", "lora_unet_"):
                yield prefix + (name.replace(".", "_") if prefix.endswith("_") else name)
    for path in LDM:
        for prefix in ("diffusion_model.", "unet.", "", "lora_unet_"):
            yield prefix + (path.replace(".", "_") if prefix.endswith("_") else path)
    for path in TEXT:
        for prefix in ("text_encoder.", "", "lora_te_", "lora_te1_", "lycoris_"):
            yield prefix + (path.replace(".", "_") if prefix.endswith("_") else path)


class One:
    def item(self):
        return 1.0


def tables(source, folder, module):
    """The program's map from names in files to its layers."""
    utils = functions_of(os.path.join(source, folder, "utils.py"), "unet_to_diffusers", "UNET_MAP_RESNET", "UNET_MAP_ATTENTIONS", "TRANSFORMER_BLOCKS", "UNET_MAP_BASIC")
    unet, text, _ = ldm_trees()
    model, clip = MagicMock(), MagicMock()
    model.state_dict = lambda: dict.fromkeys(f"{k}.weight" for k in unet)
    model.model_config.unet_config = model.diffusion_model.config = CONFIG
    model.config.huggingface_repo = "stable-diffusion-v1-5"
    clip.state_dict = lambda: dict.fromkeys(f"clip_l.{k}.weight" for k in text)
    module.utils.unet_to_diffusers = utils["unet_to_diffusers"]
    names = {}
    module.model_lora_keys_unet(model, names)
    module.model_lora_keys_clip(clip, names)
    return names


def comfyui(source):
    import re

    stand_in("comfy.model_base", "comfy.model_management", "comfy.memory_management", "comfy.utils", "comfy.cli_args", "comfy.float", "comfy.patcher_extension")
    sys.path.insert(0, source)
    import comfy.model_base
    import comfy.utils

    for name in re.findall(r"model_base\.(\w+)", open(os.path.join(source, "comfy", "lora.py"), encoding="utf8").read()):
        setattr(comfy.model_base, name, type(name, (), {}))
    import comfy.lora

    comfy.lora.utils = comfy.utils
    names = tables(source, "comfy", comfy.lora)
    return lambda file: comfy.lora.load_lora(file, names)


def forge(source):
    sys.path.insert(0, source)
    from packages_3rdparty.comfyui_lora_collection import lora

    names = tables(source, "packages_3rdparty/comfyui_lora_collection", lora)
    return lambda file: lora.load_lora(file, names)[0]


def main():
    loaders = {"comfyui": comfyui(sys.argv[1]), "forge": forge(sys.argv[2])}
    found = {}
    for name in dict.fromkeys(spellings()):
        verdicts = {(program, len(load(pair(name + suffix))) == 1) for program, load in loaders.items() for suffix in SUFFIXES}
        assert len(verdicts) == len(loaders), (name, "what follows the name decides, too")
        found[name] = dict(sorted(verdicts))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "dotted_names.json")
    with open(path, "w", encoding="utf8") as file:
        json.dump(found, file, indent=1)
        file.write("\n")


def pair(up):
    """A file with one module."""
    return {up: One(), up.replace("lora_up", "lora_down").replace("lora_B", "lora_A").replace(".up.", ".down."): One()}


if __name__ == "__main__":
    main()
