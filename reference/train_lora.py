"""Fifty steps of LoRA training in PyTorch, with noise, timesteps and order given: the loss of each step.

    python reference/train_lora.py        writes reference/golden/train_lora.json
    python reference/train_lora.py full   three steps at the full 1.5 configuration, weights rounded to float16, float32 arithmetic:
                                          writes reference/golden/train_lora_full.json (6 GB of memory, some minutes)

The model is `small` of stable_diffusion.py with its hashed weights. Adapters as kohya's: every linear layer and 1x1
convolution of the UNet's transformers, and of the text encoder's attention and MLP; down drawn by hash, up zero.
AdamW with a learning rate for each part, cosine schedule with warm-up, gradients clipped to norm 1.
"""

import json
import math
import os
import sys

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler

import hashed_weights
from stable_diffusion import FULL, GOLDEN, SMALL, make, text_states

STEPS, RANK, ALPHA, TOKENS = 50, 4, 2.0, 12
UNET_LR, TEXT_LR, WARMUP = 2e-3, 1e-3, 5
# Two shapes in turn, as buckets have them.
SIZES = [(16, 16), (8, 24)]


class Lora(torch.nn.Module):
    def __init__(self, layer, path, dtype):
        super().__init__()
        self.layer = layer
        conv = isinstance(layer, torch.nn.Conv2d)
        out, inputs = layer.weight.shape[:2]
        down = hashed_weights.uniforms(f"{path}.lora_down.weight", (RANK, inputs)) * np.float32(1 / math.sqrt(inputs))
        down = torch.from_numpy(down).to(dtype)
        up = torch.zeros(out, RANK, dtype=dtype)
        self.down = torch.nn.Parameter(down[:, :, None, None] if conv else down)
        self.up = torch.nn.Parameter(up[:, :, None, None] if conv else up)
        self.apply_matrix = torch.nn.functional.conv2d if conv else torch.nn.functional.linear

    def forward(self, x):
        return self.layer(x) + self.apply_matrix(self.apply_matrix(x, self.down) * (ALPHA / RANK), self.up)


def add_adapters(model, prefix, inside, dtype):
    """Wraps every linear layer and convolution whose path contains one of `inside`."""
    chosen = [
        (path, layer)
        for path, layer in model.named_modules()
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)) and any(part in path for part in inside)
    ]
    adapters = []
    for path, layer in chosen:
        parent, _, name = path.rpartition(".")
        adapter = Lora(layer, f"{prefix}.{path}", dtype)
        setattr(model.get_submodule(parent), name, adapter)
        adapters.append(adapter)
    return adapters


def hashed(name, *shape):
    return torch.from_numpy(hashed_weights.uniforms(name, shape))


def below(name, limit, *shape):
    u = hashed_weights.uniforms(name, shape).astype(np.float64)
    return torch.from_numpy(np.floor((u + 1) / 2 * limit).astype(np.int64))


def train(dtype, config=SMALL, steps=STEPS, batch=2, tokens=TOKENS, sizes=SIZES, stored=None):
    """Losses and norms of the gradients; `stored`: the type the weights are rounded to first."""
    unet, text = make("unet", config, stored or dtype).to(dtype), make("text_encoder", config, stored or dtype).to(dtype)
    for model in (unet, text):
        model.requires_grad_(False)
    in_unet = add_adapters(unet, "unet", ["attentions."], dtype)
    prefix = "text_encoder" if hasattr(text, "text_model") else "text_encoder.text_model"
    in_text = add_adapters(text, prefix, ["self_attn.", "mlp."], dtype)
    groups = [([p for a in adapters for p in (a.down, a.up)], lr) for adapters, lr in ((in_unet, UNET_LR), (in_text, TEXT_LR))]
    optimiser = torch.optim.AdamW([{"params": params, "lr": lr} for params, lr in groups], weight_decay=0.01)
    schedule = get_scheduler("cosine", optimiser, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    noiser = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    losses, norms = [], []
    for step in range(steps):
        height, width = sizes[step // 3 % len(sizes)]
        latents, noise = (hashed(f"train.{name}.{step}", batch, 4, height, width) * np.float32(1.7) for name in ("latents", "noise"))
        timesteps = below(f"train.timesteps.{step}", 1000, batch)
        ids = below(f"train.ids.{step}", config["text_encoder"]["vocab_size"], batch, tokens)
        noisy = noiser.add_noise(latents, noise, timesteps).to(dtype)
        prediction = unet(noisy, timesteps, text_states(text, ids)).sample
        loss = torch.nn.functional.mse_loss(prediction, noise.to(dtype))
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([p for params, _ in groups for p in params], 1.0).item())
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return losses, norms, len(in_unet), len(in_text)


def small():
    single, _, _, _ = train(torch.float32)
    double, norms, in_unet, in_text = train(torch.float64)
    spread = max(abs(a - b) / b for a, b in zip(single, double))
    print(f"{in_unet} + {in_text} adapters, loss {double[0]:.4f} -> {double[-1]:.4f}; float32 against float64: {spread:.2g}")
    result = {
        "made_by": f"reference/train_lora.py, torch {torch.__version__}",
        "modules": {"unet": in_unet, "text_encoder": in_text},
        "float32_against_float64": spread,
        "losses": double,
        "gradient_norms": norms,
    }
    write("train_lora.json", result)


def full():
    losses, norms, in_unet, in_text = train(torch.float32, FULL, steps=3, batch=1, tokens=77, sizes=[(32, 32)], stored=torch.float16)
    print(f"{in_unet} + {in_text} adapters, losses {losses}, norms {norms}")
    result = {"made_by": f"reference/train_lora.py full, torch {torch.__version__}", "losses": losses, "gradient_norms": norms}
    write("train_lora_full.json", result)


def write(name, result):
    with open(os.path.join(GOLDEN, name), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    {"small": small, "full": full}[sys.argv[1] if len(sys.argv) > 1 else "small"]()
