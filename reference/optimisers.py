"""Trajectories of PyTorch's optimisers and learning rates of diffusers' schedules.

    python reference/optimisers.py    writes reference/golden/optimisers.json

Each trajectory begins at WEIGHT and meets the same gradients, hashed by step, in float64. The learning rates are those
of LambdaLR at the first, second, … step, for a rate of 1 but for polynomial (see below).
"""

import json
from pathlib import Path

import torch
from diffusers.optimization import get_scheduler

import hashed_weights

GOLDEN = Path(__file__).parent / "golden" / "optimisers.json"
SIZE, STEPS, RATES = 6, 12, [3e-2, 1e-2, 2e-2]  # the rate of step i is RATES[i % 3]

OPTIMISERS = {
    "adamw, as by default": ("adamw", dict(betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01)),
    "adamw without decay": ("adamw", dict(betas=[0.9, 0.999], eps=1e-8, weight_decay=0.0)),
    "adamw, short memory, much decay": ("adamw", dict(betas=[0.5, 0.8], eps=1e-8, weight_decay=0.5)),
    "adamw, no memory of the gradient": ("adamw", dict(betas=[0.0, 0.99], eps=1e-8, weight_decay=0.1)),
    "adamw, an epsilon that counts": ("adamw", dict(betas=[0.9, 0.95], eps=0.1, weight_decay=0.01)),
    "sgd, plain": ("sgd", dict(momentum=0.0, weight_decay=0.0)),
    "sgd with momentum": ("sgd", dict(momentum=0.9, weight_decay=0.0)),
    "sgd with momentum and decay": ("sgd", dict(momentum=0.8, weight_decay=0.3)),
    "sgd_nesterov": ("sgd_nesterov", dict(momentum=0.9, weight_decay=0.0)),
    "sgd_nesterov with decay": ("sgd_nesterov", dict(momentum=0.5, weight_decay=0.3)),
}

SCHEDULES = {
    "constant": dict(),
    "constant, which knows no warm-up": dict(warmup=4),
    "constant_with_warmup": dict(warmup=4),
    "linear": dict(),
    "linear with warm-up": dict(warmup=3),
    "cosine": dict(),
    "cosine with warm-up": dict(warmup=3),
    "cosine, warmed up to the end": dict(warmup=12),
    "cosine_with_restarts": dict(warmup=2, cycles=3),
    "cosine_with_restarts, one cycle": dict(cycles=1),
    "cosine_with_restarts, more cycles than the steps divide by": dict(warmup=1, cycles=4),
    "polynomial": dict(warmup=2, power=1.0),
    "polynomial, squared": dict(power=2.0),
    "polynomial, a root": dict(warmup=2, power=0.5),
}


def numbers(name):
    return torch.from_numpy(hashed_weights.uniforms(name, (SIZE,))).double()


def optimiser(name, weight, options):
    if name == "adamw":
        return torch.optim.AdamW([weight], lr=1.0, **options)
    return torch.optim.SGD([weight], lr=1.0, nesterov=name == "sgd_nesterov", **options)


def trajectory(name, options):
    weight = numbers("weight").requires_grad_()
    chosen, weights = optimiser(name, weight, options), []
    for step in range(STEPS):
        chosen.param_groups[0]["lr"] = RATES[step % len(RATES)]
        weight.grad = numbers(f"gradient {step}")
        chosen.step()
        weights.append(weight.tolist())
    return weights


def rates(name, warmup=0, cycles=1, power=1.0, base=1.0):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=STEPS, num_cycles=cycles, power=power)
    found = []
    for _ in range(STEPS):
        found.append(schedule.get_last_lr()[0] / base)
        optimizer.step()
        schedule.step()
    return found


if __name__ == "__main__":
    golden = dict(
        size=SIZE,
        steps=STEPS,
        rates=RATES,
        trajectories={title: dict(optimizer=name, options=options, weights=trajectory(name, options)) for title, (name, options) in OPTIMISERS.items()},
        schedules={title: dict(lr_scheduler=title.split(",")[0].split(" ")[0], **options, rates=rates(title.split(",")[0].split(" ")[0], **options)) for title, options in SCHEDULES.items()},
    )
    GOLDEN.write_text(json.dumps(golden) + "\n")
