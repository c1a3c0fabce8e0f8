"""Makes LyCORIS's own modules of a file that lora convert --to lycoris wrote, and compares what they add with alpha / rank * up @ down.

    python reference/lycoris_modules.py FILE

FILE is for models/tiny-sd. Prints one line of JSON; docs/compatibility.md has the result (lycoris-lora 4.1.3).
"""

import json
import os
import sys

from diffusers import UNet2DConditionModel
from lycoris.modules import get_module, make_module
from safetensors.torch import load_file
from transformers import CLIPTextModel

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models", "tiny-sd")
unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet").float()
text = CLIPTextModel.from_pretrained(MODEL, subfolder="text_encoder").float()
layers = {"lora_unet_" + name.replace(".", "_"): layer for name, layer in unet.named_modules()}
layers |= {"lora_te_text_model_" + name.removeprefix("text_model.").replace(".", "_"): layer for name, layer in text.named_modules()}

tensors = load_file(sys.argv[1])
names = sorted({key.split(".")[0] for key in tensors})
kinds, worst = set(), 0.0
for name in names:
    kind, params = get_module(tensors, name)
    module = make_module(kind, params, name, layers[name])
    down, up, alpha = (tensors[f"{name}.{part}"].double() for part in ("lora_down.weight", "lora_up.weight", "alpha"))
    expected = (alpha / down.shape[0]) * (up.flatten(1) @ down.flatten(1))
    found = module.get_diff_weight(1.0)[0].double().flatten(1)
    worst = max(worst, ((found - expected).abs().max() / expected.abs().max()).item())
    kinds.add(type(module).__name__)
print(json.dumps({"modules": len(names), "kinds": sorted(kinds), "largest error": worst}))
