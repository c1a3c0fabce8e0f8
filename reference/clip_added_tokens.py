"""Ids of CLIP tokenizers with tokens of their own and with another padding token, by transformers.

    python reference/clip_added_tokens.py     writes reference/golden/clip_added_tokens.json

The vocabulary is that of reference/clip_tokenizer.py; nothing is downloaded.
"""

import json
import os
import tempfile

from transformers import CLIPTokenizer

from clip_tokenizer import HERE, byte_alphabet, read_merges

TEXT = "A Photo of <My-Style>, Hello! a <x>cat ! <|endoftext|> b"
LENGTH = 30
BASE = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
OWN = {str(49406 + i): {"content": f"<|{name}oftext|>", "special": True, "normalized": True} for i, name in enumerate(["start", "end"])}
MORE = {"49408": {"content": "<My-Style>", "special": False, "normalized": True}, "49409": {"content": "<x>", "special": False, "normalized": False}}
CASES = {
    "no other files": {},
    "another padding token": {"tokenizer_config.json": {**BASE, "pad_token": "!"}},
    "another padding token in special_tokens_map.json": {"special_tokens_map.json": {"pad_token": "!"}},
    "added_tokens.json": {"added_tokens.json": {"<My-Style>": 49408, "<x>": 49409}},
    "added_tokens_decoder": {"tokenizer_config.json": {**BASE, "added_tokens_decoder": {**OWN, **MORE}}},
}


def ids(files):
    merges = read_merges()
    letters = byte_alphabet()
    tokens = letters + [letter + "</w>" for letter in letters] + [a + b for a, b in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        write = lambda name, text: open(os.path.join(folder, name), "w", encoding="utf-8").write(text)
        write("vocab.json", json.dumps({token: i for i, token in enumerate(tokens)}))
        write("merges.txt", "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
        for name, content in {"tokenizer_config.json": BASE, **files}.items():
            write(name, json.dumps(content))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer(TEXT, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]


cases = [{"name": name, "files": files, "ids": ids(files)} for name, files in CASES.items()]
with open(os.path.join(HERE, "golden", "clip_added_tokens.json"), "w") as f:
    json.dump({"text": TEXT, "cases": cases}, f, indent=1)
    f.write("\n")
print(len(cases), "cases")
