"""A small safetensors file of every element type, by the format's own Python writer.

    python reference/safetensors_format.py    writes reference/golden/safetensors_format.safetensors

`f32` holds ordinary and awkward numbers; `f16` and `bf16` hold the same, rounded by PyTorch.
"""

import os

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))

AWKWARD = [0.0, -0.0, 1.0, -1.0, 65504.0, 65519.9, 65520.0, -65536.0, 1e5, 3e38, float("inf"), float("-inf"), float("nan"),
           2.0**-14, 2.0**-15, 2.0**-24, 2.0**-25, 1.5 * 2.0**-25, 2.0**-26, 3 * 2.0**-25, 1e-8, 1e-40, 2049.0, 2051.0, 2050.0,
           1 + 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, 6.1e-5, 6.0975e-5]


def main():
    torch.manual_seed(7)
    spread = torch.randn(480) * torch.logspace(-9, 5, 480)
    f32 = torch.cat([torch.tensor(AWKWARD), spread]).reshape(2, -1)
    tensors = {
        "f32": f32, "f16": f32.half(), "bf16": f32.bfloat16(), "a.f64": torch.randn(3, dtype=torch.float64),
        "z.i64": torch.tensor([-1, 2**40]), "i32": torch.tensor([[-7, 8]], dtype=torch.int32), "i16": torch.tensor([-300, 300], dtype=torch.int16),
        "i8": torch.tensor([-3, 3, 5], dtype=torch.int8), "u8": torch.tensor([200], dtype=torch.uint8), "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "b.f32": torch.ones(1, 1, 2), "\u540d": torch.zeros(2),
    }
    save_file(tensors, os.path.join(HERE, "golden", "safetensors_format.safetensors"), metadata={"note": "a \"quoted\" \u4e2d\u6587 text"})


if __name__ == "__main__":
    main()
