"""Sums, ranks and extractions of two small adapters, by the formulas of kohya's sd-scripts (networks/svd_merge_lora.py,
resize_lora.py with sv_fro, extract_lora_from_models.py without its clamp), in float64.

    python reference/adapter_tools.py

Writes reference/golden/adapter_tools.json. Made with numpy 2 alone.
"""

import json
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(22)

LAYERS = {
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q": ((12, 9), ()),
    "lora_unet_mid_block_attentions_0_proj_in": ((8, 7), (1, 1)),
    "lora_unet_mid_block_resnets_0_conv1": ((6, 4), (3, 3)),
}
ADAPTERS = [{"rank": 4, "alpha": 2.0}, {"rank": 3, "alpha": 5.0}]
WEIGHTS = [0.7, -0.3]


def values(*shape):
    return np.float32(random.standard_normal(shape)).astype(np.float64)


def best(matrix, rank):
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ v[:rank], float(np.sqrt((s[:rank] ** 2).sum() / (s ** 2).sum()))


def rank_for(matrix, target):
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    return int(np.searchsorted(np.cumsum(squares) / squares.sum(), target ** 2)) + 1


layers = {}
for name, ((rows, columns), kernel) in LAYERS.items():
    size = columns * int(np.prod(kernel))
    factors, deltas = [], []
    for adapter in ADAPTERS:
        down, up = values(adapter["rank"], size), values(rows, adapter["rank"])
        factors.append({"down": down.flatten().tolist(), "up": up.flatten().tolist()})
        deltas.append(adapter["alpha"] / adapter["rank"] * up @ down)
    total = sum(w * d for w, d in zip(WEIGHTS, deltas))
    reduced, share = best(total, 2)
    base = values(rows, size)
    resized, kept = best(deltas[0], 2)
    layers[name] = {
        "rows": rows, "columns": columns, "kernel": list(kernel), "adapters": factors, "sum": total.flatten().tolist(),
        "sum_rank_2": reduced.flatten().tolist(), "sum_share": share,
        "resized_rank_2": resized.flatten().tolist(), "resized_share": kept, "rank_for_80": rank_for(deltas[0], 0.8),
    }

with open(os.path.join(HERE, "golden", "adapter_tools.json"), "w") as file:
    json.dump({"adapters": ADAPTERS, "weights": WEIGHTS, "layers": layers}, file)
    file.write("\n")
