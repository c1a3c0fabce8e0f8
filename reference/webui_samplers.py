"""Stable Diffusion WebUI's own samplers (AUTOMATIC1111, 1.10.1) and k-diffusion, with a model given by a formula.

    python reference/webui_samplers.py STABLE-DIFFUSION-WEBUI        writes reference/golden/webui_samplers.safetensors

STABLE-DIFFUSION-WEBUI is a checkout, whose modules run as they are; k-diffusion and torchsde come from pip. What WebUI has
around them (options at their defaults, prompts, progress) is replaced by `surroundings`. Two pictures of 4 x 2 x 2 latents
with the seeds 1000 and 1001 go through together, as WebUI's batches do.

The model: prediction(x, t, c) = x / (1 + x^2 / 8) * (0.2 + 0.7 t / 1000) * (1 + 0.1 c) - 0.1 + 0.05 c, where c is 1 for the
prompt and -0.5 for the negative one; guidance 3.

Tensors: `MODE/SAMPLER/SCHEDULE/KIND/STEPS`, float32: what the sampler ends with [2, 4, 2, 2], or, where it is `path`, all
that it passes through [steps, 2, 4, 2, 2]; `sigmas/...` are the noise levels.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import types

import numpy as np
import torch
from safetensors.numpy import save_file

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "webui_samplers.safetensors")
SEEDS, SHAPE, GUIDANCE = [1000, 1001], (4, 2, 2), 3.0
STEPS = (1, 2, 5, 20, 50)


class Anything(types.ModuleType):
    """A module of which everything exists and does nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


class Options:
    """WebUI's options at their defaults (modules/shared_options.py)."""

    randn_source, eta_noise_seed_delta = "NV", 0
    eta_ddim, eta_ancestral, s_churn, s_tmin, s_tmax, s_noise = 0.0, 1.0, 0.0, 0.0, 0.0, 1.0
    always_discard_next_to_last_sigma = sgm_noise_multiplier = use_old_karras_scheduler_sigmas = False
    sigma_min = sigma_max = rho = 0.0
    uni_pc_variant, uni_pc_skip_type, uni_pc_order, uni_pc_lower_order_final = "bh1", "time_uniform", 3, True
    img2img_fix_steps, img2img_extra_noise, enable_quantization = False, 0.0, False
    no_dpmpp_sde_batch_determinism = False
    skip_early_cond, pad_cond_uncond, pad_cond_uncond_v0, batch_cond_uncond = 0.0, False, False, True
    beta_dist_alpha = beta_dist_beta = 0.6
    hide_samplers = ()
    live_preview_content, live_previews_enable, show_progress_every_n_steps = "Prompt", False, 0
    refiner_switch_by_sample_steps, s_min_uncond_all, sd_noise_schedule, use_downcasted_alpha_bar = False, False, "Default", False


class Model(torch.nn.Module):
    """What WebUI asks of a checkpoint: `alphas_cumprod` as LDM makes it, and `apply_model`."""

    is_sdxl, cond_stage_key, lowvram, device = False, "crossattn", False, torch.device("cpu")

    def __init__(self, parameterization, zero_snr, rescale):
        super().__init__()
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        alphas = torch.from_numpy(np.cumprod(1.0 - betas.numpy(), axis=0)).to(torch.float32)
        self.alphas_cumprod = rescale(alphas) if zero_snr else alphas
        self.parameterization = parameterization
        self.model = types.SimpleNamespace(conditioning_key="crossattn")

    def apply_model(self, x, t, cond):
        c = cond["c_crossattn"][0].reshape(-1, 1, 1, 1)
        t = t.reshape(-1, 1, 1, 1).to(x.dtype)
        return x / (1 + x * x / 8) * (0.2 + 0.7 * t / 1000) * (1 + 0.1 * c) - 0.1 + 0.05 * c


def surroundings(webui):
    """The modules of WebUI that samplers import, as far as these need them."""
    package = types.ModuleType("modules")
    package.__path__ = [os.path.join(webui, "modules")]
    sys.modules["modules"] = package
    for name in ("script_callbacks", "images", "sd_vae_approx", "sd_vae_taesd", "sd_models", "scripts"):
        sys.modules[f"modules.{name}"] = Anything(name)
        setattr(package, name, sys.modules[f"modules.{name}"])
    for name in ("CFGDenoiserParams", "CFGDenoisedParams", "AfterCFGCallbackParams", "ExtraNoiseParams"):
        setattr(sys.modules["modules.script_callbacks"], name, keep_arguments(name))
    shared = Anything("modules.shared")
    shared.opts, shared.device = Options(), torch.device("cpu")
    shared.state = types.SimpleNamespace(interrupted=False, skipped=False, sampling_step=0, sampling_steps=0)
    shared.total_tqdm = types.SimpleNamespace(update=lambda: None)
    devices = Anything("modules.devices")
    devices.device = devices.cpu = torch.device("cpu")
    prompts = types.ModuleType("modules.prompt_parser")
    prompts.reconstruct_multicond_batch = lambda cond, step: ([[(i, 1.0)] for i in range(len(cond))], cond)
    prompts.reconstruct_cond_batch = lambda cond, step: cond
    for name, module in (("shared", shared), ("devices", devices), ("prompt_parser", prompts)):
        sys.modules[f"modules.{name}"] = module
        setattr(package, name, module)
    return shared


def keep_arguments(name):
    fields = {
        "CFGDenoiserParams": "x image_cond sigma sampling_step total_sampling_steps text_cond text_uncond denoiser",
        "CFGDenoisedParams": "x sampling_step total_sampling_steps inner_model",
        "AfterCFGCallbackParams": "x sampling_step total_sampling_steps",
        "ExtraNoiseParams": "noise x xi",
    }[name].split()
    return lambda *args: types.SimpleNamespace(**dict(zip(fields, args)))


def import_k_diffusion():
    """Its samplers alone: the package itself imports what training needs."""
    package = types.ModuleType("k_diffusion")
    package.__path__ = list(importlib.util.find_spec("k_diffusion").submodule_search_locations)
    sys.modules["k_diffusion"] = package
    for name in ("torchvision", "torchvision.transforms"):
        sys.modules.setdefault(name, Anything(name))
    for name in ("utils", "sampling", "external"):
        setattr(package, name, importlib.import_module(f"k_diffusion.{name}"))
    return package


def rescaling(webui):
    """`rescale_zero_terminal_snr_abar` of modules/sd_models.py, which imports too much to be imported."""
    with open(os.path.join(webui, "modules", "sd_models.py")) as file:
        source = file.read()
    start = source.index("def rescale_zero_terminal_snr_abar")
    scope = {}
    exec(source[start : source.index("\ndef ", start)], scope)
    return scope["rescale_zero_terminal_snr_abar"]


class Drawing:
    """Calls WebUI's samplers as modules/processing.py does."""

    def __init__(self, shared, webui):
        self.shared, self.rescale = shared, rescaling(webui)
        self.rng = importlib.import_module("modules.rng")
        self.k_diffusion = importlib.import_module("k_diffusion")
        self.samplers = importlib.import_module("modules.sd_samplers")
        self.plain_torch = torch

    def request(self, steps, schedule, shape, **more):
        p = dict(
            steps=steps, scheduler=schedule, hr_scheduler=None, is_hr_pass=False, sampler_noise_scheduler_override=None,
            extra_generation_params={}, eta=None, s_churn=0.0, s_tmin=0.0, s_tmax=float("inf"), s_noise=1.0, s_min_uncond=0.0,
            scripts=None, all_seeds=SEEDS, iteration=0, batch_size=len(SEEDS), mask=None, nmask=None, cfg_scale=GUIDANCE,
            refiner_switch_at=None, refiner_checkpoint_info=None, sampler=None, denoising_strength=None,
        )
        p.update(more)
        p["rng"] = self.rng.ImageRNG(shape, SEEDS, **p.pop("noise", {}))
        return types.SimpleNamespace(**p)

    def run(self, sampler_name, schedule, kind, steps, shape=SHAPE, start=None, hires_steps=None, **more):
        """Gives what the sampler ends with, the x of each call back, the sampler and the request."""
        parameterization = "eps" if kind == "epsilon" or sampler_name == "LCM" else "v"
        self.shared.sd_model = Model(parameterization, kind == "zero_snr", self.rescale)
        p = self.request(steps, schedule, shape, **more)
        sampler = self.samplers.create_sampler(sampler_name, self.shared.sd_model)
        before = []
        sampler.callback_state = lambda d: before.append(d["x"].clone())
        cond, uncond = torch.full((2, 1, 1), 1.0), torch.full((2, 1, 1), -0.5)
        image_cond = torch.zeros(2, 5, 1, 1)
        noise = p.rng.next()
        if start is None:
            x = sampler.sample(p, noise, cond, uncond, image_conditioning=image_cond)
        else:
            x = sampler.sample_img2img(p, start, noise, cond, uncond, steps=hires_steps, image_conditioning=image_cond)
        return x, before, sampler, p


def hashed(name, shape):
    import hashed_weights

    return torch.from_numpy(hashed_weights.uniforms(name, shape) * np.float32(1.7))


SAMPLERS = {
    "euler": "Euler", "euler_a": "Euler a", "heun": "Heun", "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE",
    "lcm": "LCM", "ddim": "DDIM", "unipc": "UniPC",
}  # fmt: skip
SCHEDULES = {
    "automatic": "Automatic", "uniform": "Uniform", "karras": "Karras", "exponential": "Exponential",
    "polyexponential": "Polyexponential", "sgm_uniform": "SGM Uniform", "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps", "simple": "Simple", "normal": "Normal", "ddim": "DDIM", "beta": "Beta",
}  # fmt: skip
OWN_TIMESTEPS = ("ddim", "unipc")
LEAST = {"ddim": 2, "unipc": 3, "dpmpp_2m_sde": 2}  # in one step k-diffusion's fails (`h` is never set)


def main(webui):
    shared = surroundings(webui)
    import_k_diffusion()
    sys.modules["tqdm"].tqdm.monitor_interval = 0
    drawing = Drawing(shared, webui)
    tensors = {}
    with contextlib.redirect_stderr(open(os.devnull, "w")), torch.no_grad():
        for sampler, schedule, kind, steps in text_to_image():
            x, before, made, p = drawing.run(SAMPLERS[sampler], SCHEDULES[schedule], kind, steps)
            name = f"{sampler}/{schedule}/{kind}/{steps}"
            tensors[f"txt2img/{name}"] = x
            if schedule == "automatic" and steps <= 20:
                tensors[f"path/{name}"] = torch.stack(passed(sampler, before, x))
            if sampler not in OWN_TIMESTEPS:
                tensors[f"sigmas/{name}"] = made.get_sigmas(p, steps)
        image_to_image(drawing, tensors)
        eta_and_seeds(drawing, shared, tensors)
    save_file({name: np.ascontiguousarray(t.numpy()) for name, t in tensors.items()}, GOLDEN)
    print(len(tensors), "tensors", os.path.getsize(GOLDEN), "bytes")


def text_to_image():
    for sampler in SAMPLERS:
        for schedule in ("automatic",) if sampler in OWN_TIMESTEPS else SCHEDULES:
            for kind in ("epsilon", "v_prediction", "zero_snr"):
                for steps in STEPS if schedule in ("automatic", "karras", "exponential", "simple", "sgm_uniform") else (1, 20):
                    if sampler == "lcm" and kind == "v_prediction":
                        continue  # WebUI's LCM takes every prediction for noise
                    if steps >= LEAST.get(sampler, 1):
                        yield sampler, schedule, kind, steps


def passed(sampler, before, x):
    """k-diffusion reports x before each step, the others after."""
    return before if sampler in OWN_TIMESTEPS else [*before[1:], x]


def image_to_image(drawing, tensors):
    start = hashed("picture", (2, *SHAPE))
    latmask = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).expand(4, 2, 2)
    mask = dict(mask=1.0 - latmask, nmask=latmask)
    for sampler, label in SAMPLERS.items():
        for steps, strength in ((20, 0.75), (20, 0.3), (7, 1.0), (5, 0.5)):
            name = f"{sampler}/{steps}/{strength}"
            if sampler == "unipc" and int(strength * steps) < 3:
                continue
            tensors[f"img2img/{name}"] = drawing.run(label, "Automatic", "epsilon", steps, start=start, denoising_strength=strength)[0]
            x = drawing.run(label, "Automatic", "epsilon", steps, start=start, denoising_strength=strength, **mask)[0]
            tensors[f"inpaint/{name}"] = x * latmask + start * (1.0 - latmask)
        for steps, strength in ((20, 0.7), (5, 0.4)):
            tensors[f"hires/{sampler}/{steps}/{strength}"] = drawing.run(
                label, "Automatic", "epsilon", steps, start=start, hires_steps=steps, denoising_strength=strength
            )[0]


def eta_and_seeds(drawing, shared, tensors):
    for sampler, eta in (("euler_a", 0.5), ("dpmpp_2m_sde", 0.5), ("dpmpp_2m_sde", 0.0), ("ddim", 1.0), ("ddim", 0.3)):
        tensors[f"eta/{sampler}/{eta}"] = drawing.run(SAMPLERS[sampler], "Automatic", "epsilon", 10, eta=eta)[0]
    for source in ("NV", "CPU"):
        shared.opts.randn_source = source
        for shape in ((4, 2, 2), (4, 3, 5), (4, 1, 1), (4, 8, 8)):
            for delta in (0, 31337):
                shared.opts.eta_noise_seed_delta = delta
                rng = drawing.rng.ImageRNG(shape, SEEDS)
                tensors[f"noise/{source}/{'x'.join(map(str, shape))}/{delta}"] = torch.stack([rng.next() for _ in range(3)])
            shared.opts.eta_noise_seed_delta = 0
        variation = dict(subseeds=[7, 8], subseed_strength=0.3)
        tensors[f"variation/{source}/0.3"] = drawing.rng.ImageRNG((4, 8, 8), SEEDS, **variation).next()
        for height, width in ((32, 96), (96, 32), (128, 128)):
            resized = drawing.rng.ImageRNG((4, 8, 8), SEEDS, seed_resize_from_h=height, seed_resize_from_w=width)
            tensors[f"resize/{source}/{height}x{width}"] = resized.next()
        tensors[f"sde/{source}"] = drawing.run("DPM++ 2M SDE", "Automatic", "epsilon", 10)[0]
    shared.opts.randn_source = "NV"
    for name, edges in (("exponential", [14.614641, 5.0, 1.2345678, 0.4, 0.0291675]), ("zero_snr", [4518.6, 700.25, 14.6, 0.0078125, 0.0022])):
        sampler = drawing.k_diffusion.sampling.BrownianTreeNoiseSampler
        edges = torch.tensor(edges)
        tree = sampler(torch.zeros(2, *SHAPE), edges.min(), edges.max(), seed=SEEDS)
        tensors[f"brownian/{name}/edges"] = edges
        tensors[f"brownian/{name}/noise"] = torch.stack([tree(a, b) for a, b in zip(edges, edges[1:])])


if __name__ == "__main__":
    main(sys.argv[1])
