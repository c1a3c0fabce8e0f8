"""Samplers of diffusers with a model given by a formula.

    python reference/samplers.py        writes reference/golden/samplers.json

The model: prediction(x, t) = x / (1 + x^2 / 8) * (0.2 + 0.7 t / 1000) - 0.1, t rounded to a whole timestep.
The start and the fresh noise of draw i are hashed numbers named `start` and `fresh.<i>`, times 1.7.
"""

import json
import os

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from diffusers.schedulers import scheduling_euler_ancestral_discrete

import hashed_weights

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "samplers.json")
SHAPE = (1, 4, 2, 2)
TRAINED = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def hashed(name):
    return torch.from_numpy(hashed_weights.uniforms(name, SHAPE) * np.float32(1.7))


def model(x, t):
    return x / (1 + x * x / 8) * (0.2 + 0.7 * torch.round(torch.as_tensor(t, dtype=torch.float32)) / 1000) - 0.1


def run(scheduler, start):
    """`start` makes the scheduler's own first x of standard normal numbers."""
    x = start(hashed("start"), scheduler)
    for t in scheduler.timesteps:
        x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x).prev_sample
    return [float(f"{value:.8g}") for value in x.flatten().tolist()]


def as_is(noise, scheduler):
    return noise


def times_sigma(noise, scheduler):
    return noise * scheduler.sigmas[0]


def times_sigma_scaled(noise, scheduler):
    """DPM-Solver's x is sqrt(abar) times that of the others."""
    sigma = scheduler.sigmas[0]
    return noise * sigma / (sigma**2 + 1) ** 0.5


def ddim(steps, prediction_type):
    scheduler = DDIMScheduler(
        **TRAINED, prediction_type=prediction_type, steps_offset=1,
        timestep_spacing="trailing" if TRAINED.get("rescale_betas_zero_snr") else "leading",
        set_alpha_to_one=False, clip_sample=False,
    )
    scheduler.set_timesteps(steps)
    return run(scheduler, as_is)


def euler(steps, prediction_type):
    scheduler = EulerDiscreteScheduler(**TRAINED, prediction_type=prediction_type, timestep_spacing="linspace")
    scheduler.set_timesteps(steps)
    return run(scheduler, times_sigma)


def euler_a(steps, prediction_type):
    scheduler = EulerAncestralDiscreteScheduler(**TRAINED, prediction_type=prediction_type, timestep_spacing="linspace")
    scheduler.set_timesteps(steps)
    draws = iter(range(1, steps + 1))
    scheduling_euler_ancestral_discrete.randn_tensor = lambda *_, **__: hashed(f"fresh.{next(draws)}")
    return run(scheduler, times_sigma)


def dpmpp_2m(steps, prediction_type):
    scheduler = DPMSolverMultistepScheduler(**TRAINED, prediction_type=prediction_type)
    scheduler.set_timesteps(timesteps=[round(t) for t in np.linspace(999, 0, steps)])
    return run(scheduler, times_sigma_scaled)


def dpmpp_2m_karras(steps, prediction_type):
    scheduler = DPMSolverMultistepScheduler(**TRAINED, prediction_type=prediction_type, use_karras_sigmas=True)
    scheduler.set_timesteps(steps)
    return run(scheduler, times_sigma_scaled)


# Uniform timesteps that are whole numbers, 999 / (steps - 1), since diffusers interpolates otherwise than k-diffusion.
CASES = [(ddim, 20), (ddim, 7), (euler, 10), (euler, 4), (euler_a, 10), (dpmpp_2m, 10), (dpmpp_2m_karras, 12), (dpmpp_2m_karras, 20)]

if __name__ == "__main__":
    rows = [
        dict(sampler=sampler.__name__, steps=steps, prediction_type=kind, x=sampler(steps, kind))
        for sampler, steps in CASES
        for kind in ("epsilon", "v_prediction")
    ]
    TRAINED["rescale_betas_zero_snr"] = True
    rows += [
        dict(sampler=sampler.__name__, steps=steps, prediction_type="v_prediction", zero_snr=True, x=sampler(steps, "v_prediction"))
        for sampler, steps in ((ddim, 20), (ddim, 16), (ddim, 7), (ddim, 1), (euler, 10), (euler_a, 10), (dpmpp_2m, 10), (dpmpp_2m_karras, 12))
    ]
    with open(GOLDEN, "w") as file:
        file.write("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
