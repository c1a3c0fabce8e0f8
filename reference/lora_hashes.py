"""The two hashes that kohya's scripts write into a LoRA file, taken over what Python's safetensors writer writes.

    python reference/lora_hashes.py    writes reference/golden/lora_hashes.json
"""

import hashlib
import json
import os

import torch
from safetensors.torch import save

HERE = os.path.dirname(os.path.abspath(__file__))


def hashes(tensors):
    data = save(tensors, metadata={"ss_network_module": "networks.lora"})
    start = 8 + int.from_bytes(data[:8], "little")
    return {"sshs_model_hash": hashlib.sha256(data[start:]).hexdigest(),
            "sshs_legacy_hash": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]}


def lora(width):
    """One linear layer of rank 4; every value is a multiple of 1/64, exact in float16."""
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"
    down = (torch.arange(4 * width) % 64 / 64).reshape(4, width)
    return {f"{name}.lora_down.weight": down.half(), f"{name}.lora_up.weight": down.T.contiguous().half(), f"{name}.alpha": torch.tensor(2.0).half()}


def main():
    cases = [{"width": width, **hashes(lora(width))} for width in (64, 80_000)]
    floats = [1e-4, 1e-5, 1.0, 0.00012345, 5e-324, 1e16, 1e15, 123456.789, 0.1, 2.5e-7, 1e22, 0.0, -3.0, 1690000000.25]
    with open(os.path.join(HERE, "golden", "lora_hashes.json"), "w") as file:
        json.dump({"made_by": "reference/lora_hashes.py", "cases": cases, "floats": [str(x) for x in floats],
                   "json": json.dumps({"赛": [1, 0.5, 1e-5, None, True], "a": {'q"\n': "😀é"}})}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
