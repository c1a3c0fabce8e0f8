"""The peer of bench/gpu.ts: the same training step in PyTorch, with the weights, the batch and the adapters that it wrote.

    python bench/gpu-peer.py probe cuda|cpu       one JSON line: what PyTorch is here, or why it cannot be used
    python bench/gpu-peer.py measure SPEC         SPEC is JSON (bench/gpu.ts); one JSON line for each precision

A step is forward and backward with LoRA on the layers of the step's file: y + up(down(x)), nothing else. Frozen weights are
float32 in f32 and TF32; in bf16 they are bfloat16, with autocast and adapters in float32. Attention is scaled_dot_product_
attention, cuDNN chooses its algorithms by trying, and a UNet takes the faster of PyTorch's two layouts. Eager, as trainers
run it: no torch.compile, no graph capture.
"""

import gc
import json
import os
import re
import sys
import time

import torch


def probe(device):
    version = f"PyTorch {torch.__version__}"
    if device == "cuda" and not torch.cuda.is_available():
        return print(json.dumps(dict(problem=f"{version} has no CUDA here")))
    for name in ("safetensors", "transformers", "diffusers"):
        try:
            __import__(name)
        except ImportError as error:
            return print(json.dumps(dict(problem=f"{version}, but {error}")))
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(json.dumps(dict(title=f"{version} on {where}")))


class Lora(torch.nn.Module):
    """Scale 1: alpha is the rank."""

    def __init__(self, layer, down, up):
        super().__init__()
        conv = isinstance(layer, torch.nn.Conv2d)
        if conv:
            down, up = (w.reshape(*w.shape[:2], *(w.shape[2:] or (1, 1))) for w in (down, up))
        self.layer, self.down, self.up = layer, torch.nn.Parameter(down), torch.nn.Parameter(up)
        self.apply_matrix = torch.nn.functional.conv2d if conv else torch.nn.functional.linear

    def forward(self, x):
        return self.layer(x) + self.apply_matrix(self.apply_matrix(x, self.down), self.up)


def adapt(model, prefix, step, device):
    """Wraps each layer for which the step's file has an adapter; the new parameters."""
    ends = ".lora_down.weight"
    paths = [name[len(prefix) : -len(ends)] for name in step if name.startswith(prefix) and name.endswith(ends)]
    parameters = []
    for path in paths:
        down, up = (step[f"{prefix}{path}.lora_{part}.weight"].to(device) for part in ("down", "up"))
        found = next(p for p in (path, re.sub(r"^text_model\.", "", path)) if has_module(model, p))
        parent, _, name = found.rpartition(".")
        lora = Lora(model.get_submodule(found), down, up)
        setattr(model.get_submodule(parent), name, lora)
        parameters += [lora.down, lora.up]
    return parameters


def has_module(model, path):
    try:
        return model.get_submodule(path) is not None
    except AttributeError:
        return False


def load(model, path, dtype, device):
    """Weights of a safetensors file; some versions of transformers drop the first part of CLIP's names."""
    from safetensors.torch import load_file

    weights, wanted = load_file(path), model.state_dict().keys()
    if not set(weights) >= set(wanted) and any(name.startswith("text_model.") for name in weights):
        weights = {re.sub(r"^text_model\.", "", name): value for name, value in weights.items()}
    if hasattr(model, "embeddings") or hasattr(model, "text_model"):
        embeddings = getattr(model, "embeddings", None) or model.text_model.embeddings
        embeddings.position_ids = torch.arange(model.config.max_position_embeddings, device=device).expand((1, -1))
    model.load_state_dict({name: value.to(device, dtype) for name, value in weights.items()}, assign=True)
    return model.eval().requires_grad_(False)


def read_config(folder):
    with open(os.path.join(folder, "config.json")) as file:
        return json.load(file)


def image_step(spec, step, dtype):
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    device, folder = spec["device"], spec["folder"]
    parts = os.path.join(folder, "unet"), os.path.join(folder, "text_encoder")
    with torch.device("meta"):
        unet = UNet2DConditionModel(**read_config(parts[0]))
        text = CLIPTextModel(CLIPTextConfig(bos_token_id=0, eos_token_id=1, **read_config(parts[1])))
    unet = load(unet, os.path.join(parts[0], "diffusion_pytorch_model.safetensors"), dtype, device)
    parameters = adapt(unet, "unet.", step, device)
    given = {name: step[name].to(device) for name in ("noisy_latents", "target", "timesteps", "sample_weights")}
    if spec["text_encoder"]:
        text = load(text, os.path.join(parts[1], "model.safetensors"), dtype, device)
        parameters += adapt(text, "text_encoder.", step, device)
        ids = step["input_ids"].to(device, torch.int64)
        states = lambda: text(input_ids=ids).last_hidden_state
    else:
        context = step["text_states"].to(device)
        states = lambda: context

    def loss():
        predicted = unet(given["noisy_latents"], given["timesteps"], states()).sample
        return (((predicted.float() - given["target"]) ** 2).mean(dim=(1, 2, 3)) * given["sample_weights"]).sum()

    return loss, parameters, unet


def text_step(spec, step, dtype):
    from transformers import AutoModelForCausalLM

    device = spec["device"]
    model = AutoModelForCausalLM.from_pretrained(spec["folder"], dtype=dtype, attn_implementation="sdpa").to(device)
    model.requires_grad_(False).train()
    parameters = adapt(model, "", step, device)
    ids = step["input_ids"].to(device, torch.int64)
    return lambda: model(input_ids=ids, labels=ids, use_cache=False).loss, parameters, None


def measure(spec):
    from safetensors.torch import load_file

    spec = json.loads(spec)
    step = load_file(spec["step_file"])
    for precision in spec["precisions"]:
        try:
            result = measure_one(spec, step, precision)
        except (RuntimeError, MemoryError) as error:  # out of memory among them
            result = dict(failed=(str(error).strip().splitlines() or [type(error).__name__])[0][:200])
        gc.collect()
        settle(spec["device"])
        print(json.dumps(dict(precision=precision, **result)), flush=True)


def settle(device):
    """Gives back what the allocator keeps, and lets whoever watches the card see it."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        time.sleep(0.6)


def measure_one(spec, step, precision):
    device, half = spec["device"], precision == "bf16"
    if precision == "TF32" and device == "cpu":
        return dict(failed="a card's alone")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
    torch.backends.cudnn.benchmark = True
    build = image_step if spec["kind"] == "image" else text_step
    loss, parameters, unet = build(spec, step, torch.bfloat16 if half else torch.float32)

    def run():
        began = time.perf_counter()
        for p in parameters:
            p.grad = None
        with torch.autocast(device, torch.bfloat16, enabled=half):
            found = loss()
        found.backward()
        value = found.item()
        if device == "cuda":
            torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - began), value

    first, value = run()
    norm = sum(p.grad.double().pow(2).sum() for p in parameters).sqrt().item()
    layout = faster_layout(unet, run) if unet is not None and device == "cuda" else None
    settle(device)  # trying algorithms and layouts takes memory that steps do not
    print(json.dumps(dict(steady=True)), flush=True)
    run()
    times, began = [], time.perf_counter()
    while len(times) < spec["steps"] and (len(times) < 3 or time.perf_counter() - began < spec["seconds"]):
        times.append(run()[0])
    return dict(firstMs=first, times=times, loss=value, gradientNorm=norm, hostMiB=resident_at_most(), note=note(device, layout))


def faster_layout(unet, run):
    """Leaves the UNet in the layout in which the fastest of three steps is the faster."""
    fastest = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        unet.to(memory_format=layout)
        run()
        fastest[layout] = min(run()[0] for _ in range(3))
    best = min(fastest, key=fastest.get)
    unet.to(memory_format=best)
    run()
    return str(best).removeprefix("torch.")


def note(device, layout):
    if device != "cuda":
        return None
    allocated, reserved = (f(0) / 2**20 for f in (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved))
    return f"{allocated:.0f} MiB allocated, {reserved:.0f} reserved at most" + (f"; {layout}" if layout else "")


def resident_at_most():
    """MiB; Linux alone tells it."""
    try:
        with open("/proc/self/status") as file:
            return int(re.search(r"^VmHWM:\s+(\d+) kB$", file.read(), re.M).group(1)) / 1024
    except (OSError, AttributeError):
        return None


if __name__ == "__main__":
    dict(probe=probe, measure=measure)[sys.argv[1]](sys.argv[2])
