"""Stable Diffusion's outputs and gradients from diffusers and transformers, with weights made by hashed_weights.py.

    python reference/stable_diffusion.py small    writes reference/golden/stable_diffusion_small.safetensors (in float64, stored as float32)
                                                  and reference/golden/stable_diffusion_gradients.json
    python reference/stable_diffusion.py full     writes reference/golden/stable_diffusion_full.json (float32; 5 GB of memory, some minutes)

The configurations `small` and `other` are those of src/models/small-configs.test-util.ts.
"""

import json
import os
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.numpy import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")

SMALL = {
    "unet": dict(
        sample_size=16,
        block_out_channels=[16, 24, 32, 40],
        layers_per_block=1,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        attention_head_dim=4,
        cross_attention_dim=32,
        norm_num_groups=8,
    ),
    "vae": dict(block_out_channels=[8, 16, 24], layers_per_block=1, norm_num_groups=4),
    "text_encoder": dict(
        vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    ),
}
OTHER = {
    "unet": dict(
        sample_size=8,
        block_out_channels=[12, 18],
        layers_per_block=2,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        attention_head_dim=3,
        cross_attention_dim=20,
        norm_num_groups=6,
        norm_eps=1e-4,
        flip_sin_to_cos=False,
        freq_shift=1,
    ),
    "vae": dict(latent_channels=3, block_out_channels=[6, 9], layers_per_block=2, norm_num_groups=3),
    "text_encoder": dict(
        vocab_size=50,
        max_position_embeddings=12,
        hidden_size=20,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        hidden_act="gelu",
    ),
}
FULL = {
    "unet": dict(
        sample_size=64,
        block_out_channels=[320, 640, 1280, 1280],
        layers_per_block=2,
        down_block_types=["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        attention_head_dim=8,
        cross_attention_dim=768,
        norm_num_groups=32,
    ),
    "vae": dict(block_out_channels=[128, 256, 512, 512], layers_per_block=2, norm_num_groups=32),
    "text_encoder": dict(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    ),
}


def make(part, config, dtype):
    """The model with hashed weights; its parameters are named `<part>.<checkpoint key>`."""
    settings = config[part]
    with torch.device("meta"):
        if part == "unet":
            model = UNet2DConditionModel(**settings)
        elif part == "vae":
            levels = len(settings["block_out_channels"])
            model = AutoencoderKL(
                down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels, **settings
            )
        else:
            model = CLIPTextModel(CLIPTextConfig(bos_token_id=0, eos_token_id=1, **settings))
    if part == "text_encoder":
        model.embeddings.position_ids = torch.arange(model.config.max_position_embeddings).expand((1, -1))
    weights = {
        key: torch.from_numpy(hashed_weights.weight(checkpoint_name(part, key), tuple(value.shape))).to(dtype)
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(weights, assign=True)
    return model.eval()


def checkpoint_name(part, key):
    """transformers 5 leaves `text_model.` out of CLIPTextModel's names; checkpoints have it."""
    if part == "text_encoder" and not key.startswith("text_model."):
        return f"text_encoder.text_model.{key}"
    return f"{part}.{key}"


def uniform(name, *shape, scale=1.0, dtype=torch.float64):
    return torch.from_numpy(hashed_weights.uniforms(name, shape) * np.float32(scale)).to(dtype)


def token_ids(name, batch, length, vocabulary):
    u = hashed_weights.uniforms(name, (batch, length)).astype(np.float64)
    return torch.from_numpy(np.floor((u + 1) / 2 * vocabulary).astype(np.int64))


def text_states(model, ids, clip_skip=1):
    states = model(input_ids=ids, output_hidden_states=True).hidden_states
    return model.final_layer_norm(states[-clip_skip])


def moments(model, pixels):
    distribution = model.encode(pixels).latent_dist
    return distribution.mean, distribution.logvar


def small_outputs(name, config, latent_sizes, pixel_size, lengths):
    out = {}
    unet, vae, text = (make(part, config, torch.float64) for part in ("unet", "vae", "text_encoder"))
    width, channels = config["unet"]["cross_attention_dim"], vae.config.latent_channels
    for length in lengths:
        ids = token_ids("ids", 2, length, config["text_encoder"]["vocab_size"])
        out[f"{name}.text.{length}"] = text_states(text, ids)
    out[f"{name}.text.skip2"] = text_states(text, ids, clip_skip=2)
    for height, wide in latent_sizes:
        latents, context = uniform("latents", 2, 4, height, wide, scale=1.7), uniform("context", 2, 7, width, scale=1.7)
        out[f"{name}.unet.{height}x{wide}"] = unet(latents, torch.tensor([981.0, 37.0]), context).sample
    height, wide = pixel_size
    mean, logvar = moments(vae, uniform("pixels", 2, 3, height, wide))
    out[f"{name}.vae.mean"], out[f"{name}.vae.logvar"] = mean, logvar
    factor = 2 ** (len(config["vae"]["block_out_channels"]) - 1)
    z = uniform("z", 2, channels, height // factor, wide // factor, scale=1.7)
    out[f"{name}.vae.decoded"] = vae.decode(z).sample
    return out


# Whole gradients of one weight of every kind; of all others a projection.
KEPT = [
    "unet.conv_in.weight",
    "unet.conv_in.bias",
    "unet.time_embedding.linear_1.weight",
    "unet.down_blocks.0.resnets.0.time_emb_proj.weight",
    "unet.down_blocks.0.resnets.0.norm1.weight",
    "unet.down_blocks.0.resnets.0.norm1.bias",
    "unet.down_blocks.0.downsamplers.0.conv.weight",
    "unet.down_blocks.1.resnets.0.conv_shortcut.weight",
    "unet.down_blocks.1.attentions.0.norm.weight",
    "unet.down_blocks.1.attentions.0.proj_in.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.norm1.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0.bias",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
    "unet.down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2.weight",
    "unet.down_blocks.1.attentions.0.proj_out.bias",
    "unet.conv_norm_out.bias",
    "unet.conv_out.weight",
    "text_encoder.text_model.embeddings.token_embedding.weight",
    "text_encoder.text_model.embeddings.position_embedding.weight",
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.bias",
    "text_encoder.text_model.encoder.layers.1.mlp.fc2.weight",
    "vae.encoder.conv_in.weight",
    "vae.encoder.mid_block.attentions.0.to_q.weight",
    "vae.quant_conv.weight",
    "vae.decoder.conv_out.weight",
]


def small_gradients(config):
    """Gradients of two losses by every weight, and the first's by the latents."""
    unet, vae, text = (make(part, config, torch.float64) for part in ("unet", "vae", "text_encoder"))
    latents = uniform("latents", 2, 4, 16, 16, scale=1.7).requires_grad_()
    context = text_states(text, token_ids("ids", 2, 7, config["text_encoder"]["vocab_size"]))
    prediction = unet(latents, torch.tensor([981.0, 37.0]), context).sample
    noise_loss = ((prediction - uniform("target", 2, 4, 16, 16, scale=1.7)) ** 2).mean()

    pixels = uniform("pixels", 2, 3, 32, 24)
    mean, logvar = moments(vae, pixels)
    z = mean + torch.exp(logvar / 2) * uniform("noise", 2, 4, 8, 6, scale=1.7)
    picture_loss = ((vae.decode(z).sample - pixels) ** 2).mean()

    (noise_loss + picture_loss).backward()
    models = {"unet": unet, "vae": vae, "text_encoder": text}
    gradients = {
        checkpoint_name(part, key): value.grad for part, model in models.items() for key, value in model.named_parameters()
    }
    gradients["latents"] = latents.grad
    losses = {"noise": noise_loss.item(), "picture": picture_loss.item()}
    return losses, gradients


def projection(name, gradient):
    """[gradient · hashed numbers, |gradient|]"""
    return [(gradient * uniform(f"probe.{name}", *gradient.shape)).sum().item(), gradient.norm().item()]


def small():
    with torch.no_grad():
        tensors = small_outputs("small", SMALL, [(16, 16), (11, 13)], (32, 24), [77, 5])
        tensors |= small_outputs("other", OTHER, [(8, 6)], (12, 8), [12])
    losses, gradients = small_gradients(SMALL)
    tensors |= {f"grad.{name}": gradients[name] for name in KEPT + ["latents"]}
    arrays = {name: np.ascontiguousarray(value.detach().numpy(), dtype=np.float32) for name, value in tensors.items()}
    save_file(arrays, os.path.join(GOLDEN, "stable_diffusion_small.safetensors"))
    probes = {name: projection(name, value) for name, value in sorted(gradients.items())}
    with open(os.path.join(GOLDEN, "stable_diffusion_gradients.json"), "w") as file:
        rows = ",\n".join(f"{json.dumps(name)}: [{dot:.9g}, {norm:.9g}]" for name, (dot, norm) in probes.items())
        file.write(f'{{"losses": {json.dumps(losses)},\n"probes": {{\n{rows}\n}}}}\n')


def summary(value):
    """Statistics and 512 elements at equal distances."""
    flat = value.detach().numpy().astype(np.float64).ravel()
    at = np.floor(np.arange(512) * (flat.size / 512)).astype(int)
    return {
        "shape": list(value.shape),
        "mean": flat.mean(),
        "std": flat.std(),
        "max": np.abs(flat).max(),
        "samples": [float(f"{x:.8g}") for x in flat[at]],
    }


@torch.no_grad()
def full():
    f32 = torch.float32
    text = make("text_encoder", FULL, f32)
    out = {"text": text_states(text, token_ids("ids", 1, 77, 49408))}
    vae = make("vae", FULL, f32)
    out["mean"], out["logvar"] = moments(vae, uniform("pixels", 1, 3, 256, 256, dtype=f32))
    out["decoded"] = vae.decode(uniform("z", 1, 4, 32, 32, scale=1.7, dtype=f32)).sample
    unet = make("unet", FULL, f32)
    context = uniform("context", 1, 77, 768, scale=1.7, dtype=f32)
    out["unet"] = unet(uniform("latents", 1, 4, 64, 64, scale=1.7, dtype=f32), torch.tensor([981.0]), context).sample
    with open(os.path.join(GOLDEN, "stable_diffusion_full.json"), "w") as file:
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(summary(value))}" for name, value in out.items())
        file.write(f"{{\n{rows}\n}}\n")


if __name__ == "__main__":
    {"small": small, "full": full}[sys.argv[1]]()
