"""A picture from a text by diffusers' parts, at the configuration `small`, with weights made by hashed_weights.py.

    python reference/text_to_image.py        writes reference/golden/text_to_image.safetensors

Euler's method in 4 steps, guidance 4, hashed start noise; once without a LoRA, once with one of strength 0.7 in the text encoder and
the UNet's transformers. The token ids of a text are hashed numbers of the name `ids.<text>`, the first of them 0 and the last 1
in place of the special tokens. Float64, stored as float32.
"""

import os
import re

import numpy as np
import torch
from safetensors.numpy import save_file

import hashed_weights
from stable_diffusion import GOLDEN, SMALL, checkpoint_name, make, text_states, token_ids, uniform

PROMPT, NEGATIVE = "prompt", "negative"
STEPS, GUIDANCE, MULTIPLIER, RANK, ALPHA = 4, 4.0, 0.7, 2, 3.0
TARGETS = re.compile(r"^unet\.(down_blocks|mid_block|up_blocks)\..*attentions\.|^text_encoder\..*\.(self_attn|mlp)\.")


def add_lora(part, model):
    """W + multiplier * alpha / rank * B A for every linear layer and 1x1 convolution that the targets name."""
    for name, module in model.named_modules():
        path = checkpoint_name(part, name)
        if not TARGETS.match(path) or not isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            continue
        out, width = module.weight.shape[:2]
        tail = tuple(module.weight.shape[2:])
        down = torch.from_numpy(hashed_weights.weight(f"{path}.lora_down.weight", (RANK, width) + tail)).double()
        up = torch.from_numpy(hashed_weights.weight(f"{path}.lora_up.weight", (out, RANK) + tail)).double()
        delta = (up.reshape(out, RANK) @ down.reshape(RANK, width)).reshape(module.weight.shape)
        module.weight.data += MULTIPLIER * ALPHA / RANK * delta


def levels():
    """Four timesteps from the last to the first, and their sigmas, then 0."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - betas, 0)
    timesteps = torch.linspace(999, 0, STEPS, dtype=torch.float64)
    sigmas = ((1 - alphas) / alphas).sqrt()[timesteps.long()]
    return timesteps, [*sigmas.tolist(), 0.0]


@torch.no_grad()
def picture(with_lora):
    models = {part: make(part, SMALL, torch.float64) for part in ("text_encoder", "unet", "vae")}
    if with_lora:
        for part in ("text_encoder", "unet"):
            add_lora(part, models[part])
    ids = torch.cat([token_ids(f"ids.{text}", 1, 77, SMALL["text_encoder"]["vocab_size"]) for text in (NEGATIVE, PROMPT)])
    ids[:, 0], ids[:, -1] = 0, 1
    context = text_states(models["text_encoder"], ids)
    timesteps, sigmas = levels()
    x = uniform("start", 1, 4, 16, 16, scale=1.7) * sigmas[0]
    for t, sigma, next_sigma in zip(timesteps, sigmas, sigmas[1:]):
        scaled = x / (sigma**2 + 1) ** 0.5
        negative, positive = models["unet"](torch.cat([scaled, scaled]), t, context).sample.chunk(2)
        x = x + (next_sigma - sigma) * (negative + GUIDANCE * (positive - negative))
    pixels = models["vae"].decode(x / 0.18215).sample
    return x, ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().permute(0, 2, 3, 1)[0]


if __name__ == "__main__":
    tensors = {}
    for name, with_lora in (("plain", False), ("lora", True)):
        latents, rgb = picture(with_lora)
        tensors[f"{name}.latents"] = latents.numpy().astype(np.float32)
        tensors[f"{name}.rgb"] = np.ascontiguousarray(rgb.numpy().astype(np.uint8))
    save_file(tensors, os.path.join(GOLDEN, "text_to_image.safetensors"))
