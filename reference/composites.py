"""PyTorch's values and gradients of the composite operators, in float64.

Writes golden/composites.json: for each case the operator and its attributes as graph/ops.ts names
them, the inputs (multiples of 1/1024, so that float32 holds them exactly), the weight of each element
of the output in the loss `sum(weight * y)`, the output, and the gradients of that loss.

    python reference/composites.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def draw(*shape):
    return (torch.randn(*shape) * 1024).round() / 1024


def heads(x, count):
    batch, tokens, width = x.shape
    return x.view(batch, tokens, count, width // count).transpose(1, 2)


def attention(q, k, v, mask=None, *, q_num_heads, kv_num_heads, scale, is_causal):
    q, k, v = heads(q, q_num_heads), heads(k, kv_num_heads), heads(v, kv_num_heads)
    y = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=is_causal, scale=scale, enable_gqa=q_num_heads != kv_num_heads
    )
    return y.transpose(1, 2).flatten(2)


def rotary(x, cos, sin, *, num_heads, interleaved):
    x = heads(x, num_heads)
    if interleaved:  # pairs of neighbours as complex numbers
        turned = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.complex(cos, sin)
        y = torch.view_as_real(turned).flatten(-2)
    else:
        full = [torch.cat((t, t), dim=-1).expand(x.shape[0], -1, -1) for t in (cos, sin)]
        y, _ = apply_rotary_pos_emb(x, x, *full)
    return y.transpose(1, 2).flatten(2)


def conv(x, weight, bias=None, *, strides, pads):
    top, left, bottom, right = pads
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride=strides)


def geglu(x, weight, bias):
    hidden, gate = F.linear(x, weight, bias).chunk(2, dim=-1)
    return hidden * F.gelu(gate)


OPERATORS = {
    "Attention": attention,
    "RotaryEmbedding": rotary,
    "Conv": conv,
    "GEGLU": geglu,
    "Linear": lambda x, weight, bias: F.linear(x, weight, bias),
    "Gelu": lambda x, approximate: F.gelu(x, approximate=approximate),
    "Swish": lambda x, alpha: F.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x),
    "GroupNormalization": lambda x, scale, bias, num_groups, epsilon: F.group_norm(x, num_groups, scale, bias, epsilon),
    "LayerNormalization": lambda x, scale, bias, epsilon: F.layer_norm(x, x.shape[-1:], scale, bias, epsilon),
    "RMSNormalization": lambda x, scale, epsilon: F.rms_norm(x, x.shape[-1:], scale, epsilon),
    "Resize": lambda x, scale: F.interpolate(x, scale_factor=scale, mode="nearest"),
    "Softmax": lambda x, axis: F.softmax(x, axis),
    "LogSoftmax": lambda x, axis: F.log_softmax(x, axis),
}
CONSTANT = {"cos", "sin", "mask"}


def case(name, op, attributes, **inputs):
    leaves = {key: value.clone().requires_grad_(key not in CONSTANT) for key, value in inputs.items()}
    y = OPERATORS[op](**leaves, **attributes)
    weight = draw(*y.shape)
    (weight * y).sum().backward()
    gradients = {key: value.grad for key, value in leaves.items() if value.grad is not None}
    return {
        "name": name,
        "op": op,
        "attributes": attributes,
        "inputs": {key: stored(value) for key, value in inputs.items()},
        "weight": stored(weight),
        "output": stored(y),
        "gradients": {key: stored(value) for key, value in gradients.items()},
    }


def stored(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}


def attending(q_num_heads, kv_num_heads, is_causal=False, width=4):
    return {"q_num_heads": q_num_heads, "kv_num_heads": kv_num_heads, "scale": width**-0.5, "is_causal": is_causal}


def attention_case(name, attributes, queries=4, keys=4, value_width=4, mask=None):
    q, k = draw(2, queries, attributes["q_num_heads"] * 4), draw(2, keys, attributes["kv_num_heads"] * 4)
    v = draw(2, keys, attributes["kv_num_heads"] * value_width)
    return case(name, "Attention", attributes, q=q, k=k, v=v, **({} if mask is None else {"mask": mask}))


def rotary_case(name, **attributes):
    angles = torch.arange(3.0)[:, None] / 10000 ** (torch.arange(3.0) / 3)
    cos, sin = [(t * 1024).round() / 1024 for t in (angles.cos(), angles.sin())]
    return case(name, "RotaryEmbedding", {"num_heads": 2, **attributes}, x=draw(2, 3, 12), cos=cos, sin=sin)


def conv_case(name, image, weight, strides, pads, bias=True):
    extra = {"bias": draw(weight[0])} if bias else {}
    return case(name, "Conv", {"strides": strides, "pads": pads}, x=draw(*image), weight=draw(*weight), **extra)


CASES = [
    attention_case("plain", attending(2, 2)),
    attention_case("cross", attending(2, 2), queries=3, keys=5),
    attention_case("wide values", attending(1, 1), value_width=6),
    attention_case("causal", attending(2, 2, is_causal=True)),
    attention_case("causal, more keys than queries", attending(1, 1, is_causal=True), queries=3, keys=5),
    attention_case("masked", attending(2, 2), mask=draw(2, 1, 4, 4)),
    attention_case("grouped", attending(4, 2)),
    attention_case("grouped and causal", attending(4, 1, is_causal=True)),
    rotary_case("halves", interleaved=False),
    rotary_case("pairs", interleaved=True),
    conv_case("3 by 3", [2, 3, 5, 4], [4, 3, 3, 3], [1, 1], [1, 1, 1, 1]),
    conv_case("1 by 1", [1, 3, 3, 4], [2, 3, 1, 1], [1, 1], [0, 0, 0, 0], bias=False),
    conv_case("stride 2", [1, 2, 6, 7], [3, 2, 3, 3], [2, 2], [1, 1, 1, 1]),
    conv_case("stride 2, padded at the end", [1, 2, 6, 6], [3, 2, 3, 3], [2, 2], [0, 0, 1, 1]),
    case("rows", "Linear", {}, x=draw(2, 3, 4), weight=draw(5, 4), bias=draw(5)),
    case("gated", "GEGLU", {}, x=draw(2, 3, 4), weight=draw(12, 4), bias=draw(12)),
    case("exact", "Gelu", {"approximate": "none"}, x=draw(4, 6)),
    case("tanh", "Gelu", {"approximate": "tanh"}, x=draw(4, 6)),
    case("silu", "Swish", {"alpha": 1}, x=draw(4, 6)),
    case("quick gelu", "Swish", {"alpha": 1.702}, x=draw(4, 6)),
    case("picture", "GroupNormalization", {"num_groups": 2, "epsilon": 1e-5}, x=draw(2, 4, 3, 2), scale=draw(4), bias=draw(4)),
    case("rows", "LayerNormalization", {"epsilon": 1e-5}, x=draw(2, 3, 8), scale=draw(8), bias=draw(8)),
    case("rows", "RMSNormalization", {"epsilon": 1e-6}, x=draw(2, 3, 8), scale=draw(8)),
    case("doubled", "Resize", {"scale": 2}, x=draw(1, 2, 2, 3)),
    case("last axis", "Softmax", {"axis": 2}, x=draw(2, 3, 5)),
    case("last axis", "LogSoftmax", {"axis": 2}, x=draw(2, 3, 5)),
]

if __name__ == "__main__":
    path = Path(__file__).parent / "golden" / "composites.json"
    path.parent.mkdir(exist_ok=True)
    head = {"made_by": "reference/composites.py", "torch": torch.__version__}
    lines = ",\n".join(json.dumps(entry) for entry in CASES)
    path.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
    print(path, path.stat().st_size)
