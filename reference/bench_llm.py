"""The peer of `npm run bench -- llm`: a LoRA training step of a language model with PEFT and transformers on PyTorch's CPU.

    python reference/bench_llm.py shape FOLDER [float32|bfloat16]      writes random weights in Qwen2.5-0.5B's shape
    python reference/bench_llm.py train FOLDER ROWS LENGTH RANK STEPS THREADS float32|bfloat16
    python reference/bench_llm.py gemm THREADS                          f32 GFLOP/s of a large product

`train` prints one JSON line: milliseconds of each step (the first not counted by the bench) and the losses. Every linear
layer but the head has an adapter, no dropout, scaled-dot-product attention, every token trained; AdamW, gradients clipped.
bfloat16: frozen weights and, by autocast, arithmetic; the adapter is float32, as transformers' Trainer does it.
"""

import json
import sys
import time

import torch


def shape(folder, dtype="float32"):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    sizes = dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2)
    Qwen2ForCausalLM(Qwen2Config(**sizes, max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=True)).to(getattr(torch, dtype)).save_pretrained(folder)


def train(folder, rows, length, rank, steps, threads, dtype):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    rows, length, rank, steps = int(rows), int(length), int(rank), int(steps)
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    half = dtype == "bfloat16"
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa")
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=rank, target_modules="all-linear"))
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01)
    times, losses = [], []
    for step in range(steps):
        # the tokens of bench/llm-ours.ts
        ids = torch.tensor([[(i * 7919 + row * 104729 + step * 1299709) % base.config.vocab_size for i in range(length)] for row in range(rows)])
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(dict(times=times, losses=losses, adapters=sum(p.numel() for p in parameters))))


def gemm(threads):
    torch.set_num_threads(int(threads))
    x, w, y = (torch.randn(2048, 2048) for _ in range(3))
    best = float("inf")
    for _ in range(12):
        start = time.perf_counter()
        torch.mm(x, w, out=y)
        best = min(best, time.perf_counter() - start)
    print(json.dumps(dict(gflops=2 * 2048**3 / best / 1e9, capability=torch.backends.cpu.get_cpu_capability(), version=torch.__version__)))


if __name__ == "__main__":
    dict(shape=shape, train=train, gemm=gemm)[sys.argv[1]](*sys.argv[2:])
