"""Greedy answers of the tiny language models of language_models.py by transformers' generate, and scores after its logits processors.

    python reference/text_generation.py                 writes reference/golden/text_generation.json (float32, a minute)
    python reference/text_generation.py speed FOLDER    tokens per second, two threads; see bench/text-generation.ts

Each answer comes with the logits of its last token and with the least distance between the two likeliest tokens on the
way: where it is near 0, another order of additions may choose the other one.
"""

import json
import os
import sys
import time

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LogitsProcessorList
from transformers.generation import logits_process

import hashed_weights
from language_models import CASES, VOCABULARY, make, numbers

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden", "text_generation.json")
# Shorter than every window, and longer than all.
PROMPTS, NEW = (2, 13), 10

# What comes in a request -> one after the other.
PROCESSORS = {
    "temperature": lambda x: logits_process.TemperatureLogitsWarper(x),
    "topK": lambda x: logits_process.TopKLogitsWarper(top_k=x),
    "topP": lambda x: logits_process.TopPLogitsWarper(top_p=x),
    "minP": lambda x: logits_process.MinPLogitsWarper(min_p=x),
    "repetitionPenalty": lambda x: logits_process.RepetitionPenaltyLogitsProcessor(penalty=x),
}
REQUESTS = [
    dict(temperature=1.0),
    dict(temperature=0.7),
    dict(repetitionPenalty=1.3),
    dict(repetitionPenalty=0.8, temperature=1.5),
    dict(topK=5),
    dict(topK=100),
    dict(topP=0.8),
    dict(topP=0.3, temperature=2.0),
    dict(topP=0.01),
    dict(minP=0.2),
    dict(minP=1.0),
    dict(repetitionPenalty=1.2, temperature=0.8, topK=12, topP=0.9, minP=0.1),
    dict(repetitionPenalty=2.0, temperature=1.7, topK=7, topP=0.6, minP=0.02),
]


def prompt(length):
    return np.floor((hashed_weights.uniforms("ids", (length,)).astype(np.float64) + 1) / 2 * VOCABULARY).astype(np.int64)


def answer(model_type, options, length, **settings):
    model = make(model_type, options)  # anew each time: "dynamic" remembers how long texts were
    ids = torch.from_numpy(prompt(length))[None]
    result = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False, pad_token_id=0, output_logits=True, output_scores=True, return_dict_in_generate=True, **settings)
    two = torch.stack(result.scores)[:, 0].topk(2).values
    margin = float((two[:, 0] - two[:, 1]).min())
    return dict(prompt=ids[0].tolist(), settings=settings, answer=result.sequences[0, length:].tolist(), logits=numbers(result.logits[-1][0]), margin=float(f"{margin:.2g}"))


def case(name, model_type, options):
    plain = [answer(model_type, options, length) for length in PROMPTS]
    return plain + [answer(model_type, options, 5, repetition_penalty=1.5)]


def processed(request):
    logits = torch.from_numpy(hashed_weights.uniforms("scores", (VOCABULARY,)) * np.float32(4))[None]
    ids = torch.from_numpy(prompt(6))[None]
    # transformers' order, whatever the order of a request
    order = ["repetitionPenalty", "temperature", "topK", "topP", "minP"]
    scores = LogitsProcessorList([PROCESSORS[key](request[key]) for key in order if key in request])(ids, logits)
    return dict(request=request, scores=[None if np.isinf(x) else x for x in numbers(scores[0])])


def speed(folder, length=64, count=64):
    """The shape of SmolLM2-135M with random weights, unless the folder holds a model."""
    if not os.path.exists(os.path.join(folder, "config.json")):
        torch.manual_seed(0)
        sizes = dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3)
        LlamaForCausalLM(LlamaConfig(**sizes, max_position_embeddings=8192, tie_word_embeddings=True, rope_theta=100000.0, rms_norm_eps=1e-5)).save_pretrained(folder)
    torch.set_num_threads(2)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([[(i * 7919) % model.config.vocab_size for i in range(length)]])

    def seconds(new):
        start = time.time()
        result = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0)
        return time.time() - start, result[0, length:].tolist()

    seconds(2)
    first, (all_of_them, answer) = min(seconds(1)[0] for _ in range(3)), seconds(count + 1)
    each = (all_of_them - first) / count
    print(f"prompt of {length} and a token: {1000 * first:.0f} ms; {count} tokens: {1000 * each:.1f} ms each, {1 / each:.1f} a second; {' '.join(map(str, answer[:8]))}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["speed"]:
        sys.exit(speed(sys.argv[2]))
    torch.set_num_threads(1)
    cases = {name: case(name, *given) for name, given in CASES.items()}
    with open(GOLDEN, "w") as file:
        rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(rows, separators=(',', ':'))}" for name, rows in cases.items())
        processors = ",\n".join(json.dumps(processed(request), separators=(",", ":")) for request in REQUESTS)
        file.write(f'{{"cases": {{\n{rows}\n}}, "processors": [\n{processors}\n]}}\n')
