"""What transformers and its Rust tokenizer make of the embedded language model's tokenizer: ids of 100 texts and of chats.

Run from the repository's root, after models/tiny-llm/tokenizer.ts:

    python reference/tiny_llm_tokenizer.py

Writes golden/tiny_llm_tokenizer.json. Needs tokenizers, transformers and jinja2.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "models/tiny-llm"

OWN = [
    "", " ", "  two  spaces ", "\n", "a\n\n  b\r\nc\t\td", "Hello, I'm here. We'LL see; they've left, it'S fine.",
    "Where is my order 10482?", "12345678901234567890", "3.50 € + 20 % = ?", "ÄÖÜ äöü ß éèê ñ ç",
    "订单 10482 在哪里?", "你好,我想退货。", "请问配送到北京需要几天?谢谢!", "您好,欢迎光临!运费是 25 欧元。", "中文 and English 混合",
    "日本語のテキスト", "한국어 문장입니다.", "Привет, где мой заказ?", "مرحبا بالعالم", "שלום עולם",
    "😀", "👍🏽 great! 👨‍👩‍👧‍👦", "flag 🇩🇪🇨🇳", "zalgo ẑ̈ combining e\u0301", "\u00a0non\u2003breaking\u200b spaces",
    "<|user|>\nHi<|end|>\n<|assistant|>\n", "<|end|><|end|> <|pad|>", "<|unknown|> < |end| >", "<|system|>x<|user|>",
    "snake_case camelCase kebab-case", "https://example.com/a?b=c&d=1#e", "!!! ??? ... ,,, ---", "tab\tand\vvertical", "\u0000\u0001\u001f", "𝒳 𐍈 ﬁ",
    "Hello and welcome to Lumora! Stay bright, your Lumora team.", "wonderful sustainable furniture", "x" * 40,
]


def dialogues():
    for name in ["train", "general", "eval"]:
        for line in (ROOT / f"data/customer_service/{name}.jsonl").read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["messages"]


def main():
    fast = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    auto = AutoTokenizer.from_pretrained(FOLDER)
    said = [message["content"] for messages in dialogues() for message in messages]
    texts = OWN + said[:: len(said) // (100 - len(OWN))][: 100 - len(OWN)]
    cases = []
    for text in texts:
        ids = fast.encode(text, add_special_tokens=False).ids
        assert ids == auto(text, add_special_tokens=False)["input_ids"] == auto(text)["input_ids"], text
        assert fast.decode(ids, skip_special_tokens=False) == text, text
        cases.append({"text": text, "ids": ids})
    chats = []
    for messages in list(dialogues())[:6]:
        for prompt in [False, True]:
            given = messages[:-1] if prompt else messages
            text = auto.apply_chat_template(given, tokenize=False, add_generation_prompt=prompt)
            ids = auto.apply_chat_template(given, add_generation_prompt=prompt, return_dict=True)["input_ids"]
            assert ids == fast.encode(text, add_special_tokens=False).ids
            chats.append({"messages": given, "add_generation_prompt": prompt, "text": text, "ids": ids})
    (Path(__file__).parent / "golden/tiny_llm_tokenizer.json").write_text(
        json.dumps({"texts": cases, "chats": chats}, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
