"""The cross-entropy of a language model's trained tokens and its gradients, from PyTorch in float64.

    python reference/cross_entropy.py    writes reference/golden/cross_entropy.json

Inputs come from hashed_weights.py. The loss is the sum over the rows that have a label, divided by DIVISOR.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

import hashed_weights

GOLDEN = Path(__file__).parent / "golden" / "cross_entropy.json"
BATCH, LENGTH, WIDTH, VOCABULARY, DIVISOR = 2, 6, 5, 11, 9
LABELS = [-100, 3, -100, 10, 0, 3, -100, -100, 7, 7, -100, 1]  # of the rows of both samples


def tensor(name, *shape):
    return (3 * torch.from_numpy(hashed_weights.uniforms(name, shape)).double()).requires_grad_()


def case(softcap):
    hidden, weight = tensor("hidden", BATCH, LENGTH, WIDTH), tensor("head", VOCABULARY, WIDTH)
    logits = hidden.flatten(0, 1) @ weight.T
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    losses = F.cross_entropy(logits, torch.tensor(LABELS), reduction="none", ignore_index=-100)
    loss = losses.sum() / DIVISOR
    loss.backward()
    numbers = lambda t: t.detach().flatten().tolist()
    return dict(softcap=softcap, loss=loss.item(), losses=[x for x, l in zip(numbers(losses), LABELS) if l >= 0], hidden=numbers(hidden.grad), weight=numbers(weight.grad))


if __name__ == "__main__":
    sizes = dict(batch=BATCH, length=LENGTH, width=WIDTH, vocabulary=VOCABULARY, divisor=DIVISOR, labels=LABELS)
    GOLDEN.write_text(json.dumps(sizes | dict(cases=[case(None), case(2.0)])) + "\n")
