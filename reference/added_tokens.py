"""The tokens that tokenizer_config.json, added_tokens.json and special_tokens_map.json add to tokenizer.json's, by
transformers: ids of a text, and which ids begin and end one.

    python reference/added_tokens.py     writes reference/golden/added_tokens.json
"""

import copy
import json
import os
import tempfile

import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
LETTERS = list("abcdehilmnopstuwxyz <>|_[]")
TEXT = "hi<|im_end|><x><y></s><sep> a"


def added(id, content, special=True, **more):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=not special)
    return {"id": id, "content": content, "special": special, **flags, **more}


TOKENIZER = {
    "version": "1.0",
    "added_tokens": [added(0, "<s>"), added(1, "</s>")],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": {"type": "Fuse"},
    "model": {
        "type": "BPE",
        "unk_token": None,
        "vocab": {token: id for id, token in enumerate(["<s>", "</s>", *LETTERS])},
        "merges": [],
    },
}
CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
OWN = {"0": {"content": "<s>", "special": True}, "1": {"content": "</s>", "special": True}}
MAP = {"eos_token": "<x>", "bos_token": {"content": "</s>"}, "additional_special_tokens": ["<y>"]}


def end(id, **more):
    return {str(id): {"content": "<|im_end|>", "special": True, **more}}


CASES = {
    "no other files": {},
    "an end token that tokenizer.json lacks": {"config": {"eos_token": "<|im_end|>"}},
    "a padding token that tokenizer.json lacks": {"config": {"pad_token": "<x>"}},
    "added_tokens_decoder": {"config": {"eos_token": "<|im_end|>", "added_tokens_decoder": {**OWN, **end(28)}}},
    "added_tokens_decoder with ids that do not follow": {"config": {"added_tokens_decoder": {**OWN, **end(40), "50": {"content": "<x>"}}}},
    "added_tokens.json": {"added_tokens.json": {"<|im_end|>": 28, "<x>": 29}, "config": {"eos_token": "<|im_end|>"}},
    "added_tokens.json with ids that do not follow": {"added_tokens.json": {"<|im_end|>": 40, "<x>": 50}},
    "special_tokens_map.json": {"special_tokens_map.json": MAP},
    "special_tokens_map.json beside added_tokens_decoder": {"special_tokens_map.json": MAP, "config": {"added_tokens_decoder": OWN}},
    "added_tokens.json beside added_tokens_decoder": {"added_tokens.json": {"<x>": 28}, "config": {"added_tokens_decoder": OWN}},
    "special tokens of other names": {"config": {"sep_token": "<sep>", "additional_special_tokens": ["<x>"], "extra_special_tokens": {"y_token": "<y>"}}},
    "an end token of the vocabulary alone": {"added": [added(0, "<s>")]},
    "null": {"config": {"bos_token": None, "eos_token": None}},
}


def case(name, changes):
    tokenizer = copy.deepcopy(TOKENIZER)
    if "added" in changes:
        tokenizer["added_tokens"] = changes["added"]
    config = {**CONFIG, **changes.get("config", {})}
    files = {"tokenizer.json": tokenizer, "tokenizer_config.json": config}
    files |= {key: value for key, value in changes.items() if key.endswith(".json")}
    with tempfile.TemporaryDirectory() as folder:
        for file, content in files.items():
            with open(os.path.join(folder, file), "w") as f:
                json.dump(content, f)
        read = transformers.AutoTokenizer.from_pretrained(folder)
    ids = read(TEXT, add_special_tokens=False)["input_ids"]
    return {"name": name, "files": files, "ids": ids, "bos": read.bos_token_id, "eos": read.eos_token_id}


golden = {"text": TEXT, "cases": [case(name, changes) for name, changes in CASES.items()]}
with open(os.path.join(HERE, "golden", "added_tokens.json"), "w") as f:
    json.dump(golden, f, indent=1)
    f.write("\n")
print("transformers", transformers.__version__, len(golden["cases"]), "cases")
