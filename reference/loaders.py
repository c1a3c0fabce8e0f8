"""Loads a LoRA file of ours with other programs' own loaders, and compares what they add to the weights with alpha / rank * up @ down.

    python reference/loaders.py PROGRAM ADAPTER [SOURCE] [--tiny FOLDER]

PROGRAM is a1111, comfyui, addnet, kohya or diffusers; SOURCE is a checkout of it (diffusers is imported).
ADAPTER is a LoRA file with kohya's keys, for Stable Diffusion 1.5 or, with --tiny, for the model in FOLDER.
Prints one line of JSON. What these programs need beyond their LoRA code is replaced by stand-ins.
docs/compatibility.md has the results.
"""

import argparse
import ast
import contextlib
import gzip
import importlib.abc
import importlib.machinery
import io
import json
import logging
import os
import re
import sys
from unittest.mock import MagicMock

import torch
from safetensors import safe_open
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any module whose name begins with one of the names is an object that accepts everything."""

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if any(name == n or name.startswith(n + ".") for n in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


def stand_in(*names):
    sys.meta_path.insert(0, StandIns(*names))


def functions_of(path, *names, **scope):
    """Functions and constants of a source file, without running the rest of it."""
    body = [node for node in ast.parse(open(path, encoding="utf8").read()).body
            if getattr(node, "name", None) in names or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names)]
    exec(compile(ast.Module(body, []), path, "exec"), scope)
    return scope


def ldm_rows():
    """[component, ldm key, ldm shape, diffusers key] of the weights of Stable Diffusion 1.5."""
    with gzip.open(os.path.join(HERE, "..", "test", "data", "sd15-tensors.tsv.gz"), "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return [(r[0], r[1], [int(n) for n in r[2].split("x")] if r[2] else [], r[3]) for r in rows]


class Holder(torch.nn.Module):
    pass


def tree(weights):
    """Linear and Conv2d layers, without memory, at the places that the names say. weights: name without .weight -> shape."""
    root = Holder()
    for name, shape in weights.items():
        *parents, last = name.split(".")
        at = root
        for part in parents:
            if not hasattr(at, part):
                at.add_module(part, Holder())
            at = getattr(at, part)
        with torch.device("meta"):
            layer = torch.nn.Linear(shape[1], shape[0]) if len(shape) == 2 else torch.nn.Conv2d(shape[1], shape[0], shape[2], padding=shape[2] // 2)
        at.add_module(last, layer)
    return root


def ldm_trees():
    """The UNet and the text encoder of Stable Diffusion 1.5 under the names of the single file; and kohya's name -> its place there."""
    unet, text, places = {}, {}, {}
    for component, key, shape, diffusers in ldm_rows():
        if not key.endswith(".weight") or len(shape) < 2:
            continue
        if component == "unet":
            name = key[len("model."):-len(".weight")]
            unet[name] = shape
            places["lora_unet_" + diffusers[:-len(".weight")].replace(".", "_")] = name
        elif component == "clip" and "embedding" not in key:
            name = key[len("cond_stage_model."):-len(".weight")]
            text[name] = shape
            places["lora_te_" + diffusers[:-len(".weight")].replace(".", "_")] = name
    return unet, text, places


class Adapter:
    def __init__(self, path):
        self.path = path
        self.tensors = load_file(path)
        with safe_open(path, "pt") as file:
            self.metadata = file.metadata()
        self.names = sorted({key.split(".")[0] for key in self.tensors})

    def delta(self, name):
        """alpha / rank * up @ down, in float64."""
        down, up, alpha = (self.tensors[f"{name}.{part}"].double() for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        product = up.flatten(1) @ down.flatten(1)
        return (alpha / down.shape[0]) * product.reshape(up.shape[0], *down.shape[1:])


def error(found, expected):
    return ((found.double().reshape(expected.shape) - expected).abs().max() / expected.abs().max()).item()


def a1111(adapter, source, _tiny):
    stand_in("modules", "gradio", "lora_patches", "einops")
    sys.path.insert(0, os.path.join(source, "extensions-builtin", "Lora"))
    from modules import shared, sd_models, cache, devices, hashes
    import modules.models.sd3.mmdit as mmdit

    mmdit.QkvLinear = type("QkvLinear", (torch.nn.Module,), {})
    devices.cpu, devices.dtype = torch.device("cpu"), torch.float32
    own = functions_of(os.path.join(source, "modules", "sd_models.py"), "read_metadata_from_safetensors", errors=MagicMock())
    sd_models.read_metadata_from_safetensors = own["read_metadata_from_safetensors"]
    sd_models.read_state_dict = load_file
    cache.cached_data_for_file = lambda _a, _b, _c, read: read()
    hashes.sha256_from_cache = lambda *_, **__: None
    folder = os.path.dirname(os.path.abspath(adapter.path))
    shared.walk_files = lambda f, allowed_extensions: sorted(os.path.join(f, n) for n in os.listdir(f) if n.endswith(".safetensors"))
    shared.cmd_opts.lora_dir, shared.cmd_opts.lyco_dir_backcompat = folder, os.path.join(folder, "peft")
    shared.opts.lora_preferred_name = "Alias from file"
    unet, text, places = ldm_trees()
    model = Holder()
    model.is_sdxl = model.is_sd2 = False
    model.model, model.cond_stage_model = tree(unet), tree(text)
    shared.sd_model = model
    import networks

    own = functions_of(os.path.join(source, "modules", "hashes.py"), "addnet_hash_safetensors", hashlib=__import__("hashlib"))
    name = os.path.splitext(os.path.basename(adapter.path))[0]
    networks.list_available_networks()
    on_disk = networks.available_networks[name]
    missed = []
    networks.logging.debug = missed.append
    net = networks.load_network(name, on_disk)
    net.dyn_dim = None
    by_key = {places[n].replace(".", "_"): n for n in adapter.names}
    assert set(net.modules) == set(by_key), "other modules"
    worst = max(error(m.calc_updown(torch.zeros(m.shape))[0], adapter.delta(by_key[key])) for key, m in net.modules.items())
    with open(adapter.path, "rb") as file:
        data_hash = own["addnet_hash_safetensors"](file)
    return {"modules": len(net.modules), "not matched": missed, "kinds": sorted({type(m).__name__ for m in net.modules.values()}),
            "alphas": sorted({m.alpha for m in net.modules.values()}), "version": on_disk.sd_version.name, "alias": on_disk.alias,
            "short hash is the data's": on_disk.shorthash == data_hash[:12], "found by alias": networks.available_network_aliases[on_disk.alias] is not None, "largest error": worst}


def comfyui(adapter, source, tiny):
    sys.path.insert(0, source)
    stand_in("comfy.model_base", "comfy.model_management", "comfy.utils", "comfy.cli_args", "comfy.float", "comfy.patcher_extension")
    import comfy.model_base
    import comfy.model_management
    import comfy.utils

    comfy.model_management.cast_to_device = lambda tensor, device, dtype, copy=False: tensor.to(device, dtype)
    scope = functions_of(os.path.join(source, "comfy", "utils.py"), "unet_to_diffusers", "UNET_MAP_RESNET", "UNET_MAP_ATTENTIONS", "TRANSFORMER_BLOCKS", "UNET_MAP_BASIC")
    comfy.utils.unet_to_diffusers = scope["unet_to_diffusers"]
    # isinstance() needs classes: every model that the mapping asks for is another one than ours.
    source_text = open(os.path.join(source, "comfy", "lora.py"), encoding="utf8").read()
    for name in re.findall(r"model_base\.(\w+)", source_text):
        setattr(comfy.model_base, name, type(name, (), {}))
    import comfy.lora

    config = {"num_res_blocks": [2, 2, 2, 2], "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_output": [1] * 9 + [0] * 3, "transformer_depth_middle": 1}
    unet, text, places = ldm_trees()
    if tiny:
        unet_config = json.load(open(os.path.join(tiny, "unet", "config.json")))
        depths = [int("Cross" in kind) for kind in unet_config["down_block_types"]]
        blocks = unet_config["layers_per_block"]
        config = {"num_res_blocks": [blocks] * len(depths), "channel_mult": [1] * len(depths), "transformer_depth": [d for d in depths for _ in range(blocks)], "transformer_depth_output": [d for d in depths for _ in range(blocks + 1)], "transformer_depth_middle": 1}
        places = tiny_places(tiny, scope["unet_to_diffusers"](config))
        unet_keys, text_keys = [k for k in places.values() if k.startswith("diffusion_model.")], [k for k in places.values() if k.startswith("clip_l.")]
    else:
        unet_keys = [f"{k}.weight" for k in unet]
        text_keys = [f"clip_l.{k}.weight" for k in text]
        places = {n: (f"{k}.weight" if n.startswith("lora_unet") else f"clip_l.{k}.weight") for n, k in places.items()}
    model = MagicMock()
    model.state_dict = lambda: dict.fromkeys(unet_keys)
    model.model_config.unet_config = config
    clip = MagicMock()
    clip.state_dict = lambda: dict.fromkeys(text_keys)
    key_map = comfy.lora.model_lora_keys_clip(clip, comfy.lora.model_lora_keys_unet(model, {}))
    missed = []
    logging.warning = missed.append
    comfy.lora.logging.warning = missed.append
    loaded = comfy.lora.load_lora(adapter.tensors, key_map)
    by_key = {places[n]: n for n in adapter.names}
    assert set(loaded) == set(by_key), "other weights"
    worst = 0.0
    for key, patch in loaded.items():
        expected = adapter.delta(by_key[key])
        weight = torch.zeros(expected.shape)
        found = patch.calculate_weight(weight, key, 1.0, 1.0, None, lambda x: x, original_weight=weight)
        worst = max(worst, error(found, expected))
    return {"modules": len(loaded), "not matched": missed, "kinds": sorted({type(p).__name__ for p in loaded.values()}), "largest error": worst}


def tiny_places(folder, unet_names):
    """kohya's name -> ComfyUI's key, for a model in a diffusers folder."""
    places = {"lora_unet_" + k[:-len(".weight")].replace(".", "_"): "diffusion_model." + v for k, v in unet_names.items() if k.endswith(".weight")}
    with safe_open(os.path.join(folder, "text_encoder", "model.safetensors"), "pt") as file:
        for key in file.keys():
            if ".layers." in key and key.endswith(".weight"):
                places["lora_te_" + key[:-len(".weight")].replace(".", "_")] = "clip_l.transformer." + key
    return places


def addnet(adapter, source, _tiny):
    sys.path.insert(0, os.path.join(source, "scripts"))
    import lora_compvis

    unet, text, places = ldm_trees()
    blocks = tree(unet).diffusion_model
    for child in (*blocks.input_blocks.children(), blocks.middle_block, *blocks.output_blocks.children()):
        child.__class__ = type("ResBlock", (Holder,), {})
    wrapped = Holder()
    wrapped.wrapped = tree(text)
    wrapped.wrapped.transformer.__class__ = type("CLIPMLP", (Holder,), {})
    network = lora_compvis.LoRANetworkCompvis(wrapped, blocks, 1, 1, *dims(adapter))
    state = network.apply_lora_modules(adapter.tensors)
    result = network.load_state_dict(state, strict=False)
    return {"modules": len(network.unet_loras) + len(network.text_encoder_loras), "not matched": list(result.unexpected_keys) + list(result.missing_keys)}


def dims(adapter):
    return ({n: adapter.tensors[f"{n}.lora_down.weight"].shape[0] for n in adapter.names}, {n: float(adapter.tensors[f"{n}.alpha"]) for n in adapter.names})


def models(tiny, device):
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device(device):
        if tiny:
            unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(os.path.join(tiny, "unet")))
            text = CLIPTextModel(CLIPTextConfig.from_pretrained(os.path.join(tiny, "text_encoder")))
        else:
            unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
            text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768))
    return unet, text


def kohya(adapter, source, tiny):
    stand_in("library", "cv2")
    sys.path.insert(0, source)
    import library.sdxl_original_unet as other

    other.SdxlUNet2DConditionModel = type("SdxlUNet2DConditionModel", (), {})
    import networks.lora as lora

    unet, text = models(tiny, "cpu" if tiny else "meta")
    network, weights = lora.create_network_from_weights(1.0, adapter.path, None, with_old_names(text), unet, for_inference=True)
    network.apply_to(text, unet)
    built = {m.lora_name for m in network.unet_loras + network.text_encoder_loras}
    assert built == set(adapter.names), (len(built), len(adapter.names), sorted(set(adapter.names) - built)[:3])
    network.to_empty(device="cpu") if not tiny else None
    result = network.load_state_dict(weights, strict=False)
    worst = max(error(m.get_weight(), adapter.delta(m.lora_name)) for m in network.unet_loras + network.text_encoder_loras)
    return {"modules": len(built), "not matched": list(result.unexpected_keys) + list(result.missing_keys), "largest error": worst}


def with_old_names(text):
    """transformers 5 took the layer `text_model` out of CLIPTextModel; the names of its layers in files still have it."""
    if hasattr(text, "text_model"):
        return text
    old = Holder()
    old.text_model = text
    return old


def diffusers(adapter, _source, tiny):
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline

    unet, text = models(tiny, "cpu")
    pipe = StableDiffusionPipeline(vae=AutoencoderKL(), text_encoder=text, tokenizer=None, unet=unet, scheduler=PNDMScheduler(), safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    before = {("unet", k): v.clone() for k, v in unet.state_dict().items()} | {("te", k): v.clone() for k, v in text.state_dict().items()}
    pipe.load_lora_weights(os.path.dirname(os.path.abspath(adapter.path)), weight_name="pytorch_lora_weights.safetensors")
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    after = {("unet", k): v for k, v in unet.state_dict().items()} | {("te", k): v for k, v in text.state_dict().items()}
    worst, changed = 0.0, 0
    for (part, key), old in before.items():
        name = ("lora_unet_" if part == "unet" else "lora_te_") + key.removesuffix(".weight").replace(".", "_")
        if part == "te" and name not in adapter.names:
            name = name.replace("lora_te_", "lora_te_text_model_")
        difference = after[(part, key)].double() - old.double()
        if key.endswith(".weight") and name in adapter.names:
            changed += 1
            worst = max(worst, error(difference, adapter.delta(name)))
        else:
            assert difference.abs().max() == 0, key
    return {"modules": changed, "of": len(adapter.names), "largest error": worst}


def main():
    programs = {f.__name__: f for f in (a1111, comfyui, addnet, kohya, diffusers)}
    parser = argparse.ArgumentParser()
    parser.add_argument("program", choices=programs)
    parser.add_argument("adapter")
    parser.add_argument("source", nargs="?")
    parser.add_argument("--tiny")
    args = parser.parse_args()
    adapter = Adapter(args.adapter)
    with contextlib.redirect_stdout(io.StringIO()):
        result = programs[args.program](adapter, args.source, args.tiny)
    print(json.dumps({"program": args.program, **result}, ensure_ascii=False))


if __name__ == "__main__":
    main()
