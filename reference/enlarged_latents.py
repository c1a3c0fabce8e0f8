"""Latents enlarged by PyTorch, as WebUI's "Latent" upscalers do between two passes.

    python reference/enlarged_latents.py        writes reference/golden/enlarged_latents.safetensors

The latents are hashed numbers named `picture`, [4, 6, 5]; a tensor is named for the mode and the size.
"""

import os

import torch
from safetensors.torch import save_file

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "enlarged_latents.safetensors")
MODES = {
    "latent": "bilinear", "latent_bicubic": "bicubic", "latent_nearest": "nearest", "latent_nearest_exact": "nearest-exact",
}  # fmt: skip

if __name__ == "__main__":
    latents = torch.from_numpy(hashed_weights.uniforms("picture", (1, 4, 6, 5)))
    save_file(
        {
            f"{name}/{height}x{width}": torch.nn.functional.interpolate(latents, size=(height, width), mode=mode).contiguous()
            for name, mode in MODES.items()
            for height, width in ((12, 10), (9, 8), (7, 15), (6, 5))
        },
        GOLDEN,
    )
