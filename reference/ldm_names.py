"""Tensor names of a small Stable Diffusion, in the single-file layout and in diffusers'.

    python reference/ldm_names.py    writes reference/golden/ldm_names_small.tsv

The single-file names are enumerated here from the block structure of the latent-diffusion code;
that they are right is checked by letting diffusers' own converter turn them back.
"""

import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_clip_checkpoint, convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel

HERE = os.path.dirname(os.path.abspath(__file__))

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def unet_blocks(levels, layers, down_attention, up_attention):
    """(diffusers block, single-file block) for every block of the UNet."""
    yield from [("conv_in", "input_blocks.0.0"), ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
                ("conv_norm_out", "out.0"), ("conv_out", "out.2"), ("mid_block.resnets.0", "middle_block.0"),
                ("mid_block.attentions.0", "middle_block.1"), ("mid_block.resnets.1", "middle_block.2")]
    n = 1
    for level in range(levels):
        for layer in range(layers):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{n}.0"
            if down_attention[level]:
                yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{n}.1"
            n += 1
        if level < levels - 1:
            yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{n}.0.op"
            n += 1
    n = 0
    for level in range(levels):
        for layer in range(layers + 1):
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{n}.0"
            if up_attention[level]:
                yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{n}.1"
            if layer == layers and level < levels - 1:
                yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{n}.{2 if up_attention[level] else 1}.conv"
            n += 1


def vae_blocks(levels, layers):
    for side in ("encoder", "decoder"):
        yield from [(f"{side}.conv_norm_out", f"{side}.norm_out"), (f"{side}.mid_block.resnets.0", f"{side}.mid.block_1"),
                    (f"{side}.mid_block.resnets.1", f"{side}.mid.block_2")]
        for ours, theirs in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
            yield f"{side}.mid_block.attentions.0.{ours}", f"{side}.mid.attn_1.{theirs}"
    for level in range(levels):
        for layer in range(layers):
            yield f"encoder.down_blocks.{level}.resnets.{layer}", f"encoder.down.{level}.block.{layer}"
        yield f"encoder.down_blocks.{level}.downsamplers.0.conv", f"encoder.down.{level}.downsample.conv"
        for layer in range(layers + 1):
            yield f"decoder.up_blocks.{level}.resnets.{layer}", f"decoder.up.{levels - 1 - level}.block.{layer}"
        yield f"decoder.up_blocks.{level}.upsamplers.0.conv", f"decoder.up.{levels - 1 - level}.upsample.conv"


def rename(key, blocks):
    for ours, theirs in sorted(blocks, key=lambda pair: -len(pair[0])):
        if key.startswith(ours + "."):
            rest = key[len(ours) + 1:]
            if "resnets" in ours and ("block" in theirs and "blocks." in theirs or theirs.startswith("middle")):
                layer, leaf = rest.rsplit(".", 1)
                rest = f"{RESNET[layer]}.{leaf}"
            return f"{theirs}.{rest.replace('conv_shortcut', 'nin_shortcut') if 'block' in theirs else rest}"
    return key


def main():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(block_out_channels=(32, 32, 64), layers_per_block=1, cross_attention_dim=24, attention_head_dim=8, norm_num_groups=32, sample_size=8,
                                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"))
    vae = AutoencoderKL(block_out_channels=(32, 32, 64), layers_per_block=1, norm_num_groups=32, latent_channels=4,
                        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3)
    text = CLIPTextModel(CLIPTextConfig(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, vocab_size=100))
    unet_names = {key: "model.diffusion_model." + rename(key, list(unet_blocks(3, 1, [False, True, True], [True, True, False]))) for key in unet.state_dict()}
    vae_names = {key: "first_stage_model." + rename(key, list(vae_blocks(3, 1))) for key in vae.state_dict()}
    text_prefix = "" if next(iter(text.state_dict())).startswith("text_model.") else "text_model."
    text_names = {text_prefix + key: "cond_stage_model.transformer." + text_prefix + key for key in text.state_dict()}

    def ldm_shape(name, tensor):
        return tensor[:, :, None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor

    def check(names, state, convert):
        ldm = {names[key]: ldm_shape(names[key], tensor) for key, tensor in state.items()}
        back = convert(ldm)
        assert set(back) == set(state), set(back) ^ set(state)
        assert all(torch.equal(back[key], state[key]) for key in state)

    check(unet_names, unet.state_dict(), lambda ldm: convert_ldm_unet_checkpoint(ldm, unet.config))
    check(vae_names, vae.state_dict(), lambda ldm: convert_ldm_vae_checkpoint(ldm, vae.config))
    text_state = {text_prefix + key: tensor for key, tensor in text.state_dict().items()}
    check(text_names, text_state, lambda ldm: convert_ldm_clip_checkpoint(ldm))

    with open(os.path.join(HERE, "golden", "ldm_names_small.tsv"), "w") as file:
        for component, names, state in (("unet", unet_names, unet.state_dict()), ("vae", vae_names, vae.state_dict()), ("text_encoder", text_names, text_state)):
            for key, tensor in state.items():
                ldm = tuple(ldm_shape(names[key], tensor).shape)
                file.write("\t".join([names[key], "x".join(map(str, ldm)), f"{component}.{key}", "x".join(map(str, tensor.shape))]) + "\n")


if __name__ == "__main__":
    main()
