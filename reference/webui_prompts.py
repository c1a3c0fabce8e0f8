"""Prompts as AUTOMATIC1111's WebUI 1.10.1 takes them apart, by its own code.

    python reference/webui_prompts.py WEBUI          writes reference/golden/webui_prompts.json

WEBUI is a checkout of stable-diffusion-webui at v1.10.1 (82a973c0); its modules prompt_parser, sd_hijack_clip, sd_emphasis
and extra_networks are run as they are, on stand-ins for what they import (lark 1.1.2 is needed). The tokenizer is
clip_tokenizer.py's; the text encoder is that of the configuration `small`, with hashed weights and as many embeddings as
the tokenizer has ids, in float32 as in WebUI. With --fuzz SEED COUNT FILE the prompts are random and only taken apart.
"""

import importlib
import json
import os
import random
import sys
import types

import torch

import clip_tokenizer
import hashed_weights
from stable_diffusion import GOLDEN, SMALL, checkpoint_name

CALLS = 10


def load_webui(root):
    """WebUI's four modules, with stand-ins for the rest of it."""

    def stand_in(name, **members):
        module = types.ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
        return module

    package = stand_in("modules")
    package.__path__ = [os.path.join(root, "modules")]
    database = types.SimpleNamespace(find_embedding_at_position=lambda tokens, offset: (None, None))
    hijack = types.SimpleNamespace(embedding_db=database, extra_generation_params={}, fixes=None)
    opts = types.SimpleNamespace(
        emphasis="Original", comma_padding_backtrack=20, CLIP_stop_at_last_layers=1,
        textual_inversion_add_hashes_to_infotext=False, use_old_emphasis_implementation=False,
    )
    package.shared = stand_in("modules.shared", opts=opts)
    package.devices = stand_in("modules.devices", device="cpu", torch_npu_set_device=lambda: None)
    package.sd_hijack = stand_in("modules.sd_hijack", model_hijack=hijack)
    package.errors = stand_in("modules.errors", display=print)
    names = ("prompt_parser", "sd_emphasis", "extra_networks", "sd_hijack_clip")
    return types.SimpleNamespace(opts=opts, hijack=hijack, **{name: importlib.import_module(f"modules.{name}") for name in names})


def text_encoder(vocabulary):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = dict(SMALL["text_encoder"], vocab_size=vocabulary)
    model = CLIPTextModel(CLIPTextConfig(**config)).float().eval()
    for name, parameter in model.named_parameters():
        values = hashed_weights.weight(checkpoint_name("text_encoder", name), tuple(parameter.shape))
        parameter.data = torch.from_numpy(values).float()
    return model


class Transformer:
    """The text encoder under the names that WebUI's transformers had for its parts."""

    def __init__(self, model):
        self.model = model
        self.text_model = getattr(model, "text_model", model)

    def __call__(self, input_ids, output_hidden_states):
        return self.model(input_ids=input_ids, output_hidden_states=bool(output_hidden_states))


def conditioner(webui):
    tokenizer = clip_tokenizer.build()
    transformer = Transformer(text_encoder(len(tokenizer.get_vocab())))
    wrapped = types.SimpleNamespace(tokenizer=tokenizer, transformer=transformer)
    made = webui.sd_hijack_clip.FrozenCLIPEmbedderWithCustomWords(wrapped, webui.hijack)
    made.get_learned_conditioning = lambda texts: made.forward(texts)
    return made


def run_lengths(values):
    runs = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return runs


def parts_of(webui, cond, prompt, calls=CALLS, hires=None):
    """[weight, [[until, text, [[ids, weights] a chunk]] a text]] a part; the error's name where WebUI has an error."""
    try:
        indexes, flat, _ = webui.prompt_parser.get_multicond_prompt_list([prompt])
        schedules = webui.prompt_parser.get_learned_conditioning_prompt_schedules(flat, calls, hires)
        return [[weight, texts_of(cond, schedules[i])] for i, weight in indexes[0]]
    except Exception as error:
        return type(error).__name__


def texts_of(cond, schedule):
    return [[until, text, [[run_lengths(chunk.tokens), run_lengths(chunk.multipliers)] for chunk in cond.tokenize_line(text)[0]]]
            for until, text in schedule]


# The first texts are from the tests and the manual of the language, the others are made up.
LONG = "a highly detailed oil painting of a lighthouse on a cliff at sunset, dramatic clouds, crashing waves, seagulls, "
PROMPTS = [
    "", " ", "a cat", "  a cat  ", "normal text", "an (important) word", "(unbalanced", "unbalanced)", "\\(literal\\]", "(unnecessary)(parens)",
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", "[a]", "[[a]]", "((a))", "(a:1.2)", "(a: 1.2 )", "(a :1.2)", "(a:-1)", "(a:+1.5)", "(a:.5)", "(a:1.)",
    "(a:0)", "((a:1.2) b:1.5)", "([a])", "[(a:1.3)]", "(a]b)", "[a)b]", "a:1.2)", "(a:b:1.2)", "(a,b:1.2,c)", "\\", "\\\\", "a \\\\(b\\\\)", "a\\b", "trailing \\",
    "girl \\(series\\), (red hair:1.2)", "(masterpiece, best quality:1.4), 1girl", "()", "[]", "(:1.2)", ":", "::", "(a:1.2.3)", "(a:.)", "(a:+)", "(a:１．２)", "(a:１)",
    "a BREAK b", "aBREAKb", "BREAK", " BREAK ", "BREAK BREAK", "a\nBREAK\nb", "break", "(a BREAK b)", "(a BREAK b:1.2)", "(a BREAK b:1)", "(BREAK:0)", "(BREAK)", "中BREAK文", "a,BREAK,b",
    "BREAK_a", "a BREAK", "BREAK a", "[a BREAK b:5]", "[a:BREAK b:5]",
    "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6][: in background:0.25] [shoddy:masterful:0.5]",
    "a [b:3]", "a [b: 3]", "a [[[b]]:2]", "[(a:2):3]", "a [b : c : 1] d", "a[b:[c:d:2]:1]e", "a [unbalanced", "a [b:.5] c", "a [{b|d{:.5] c", "((a][:b:c [d:3]",
    "[a|(b:1.1)]", "[fe|]male", "[fe|||]male", "[a|b|c]", "[[a|b]|c]", "[a|[b:c:3]]", "[a:b:0]", "[a:b:-3]", "[a:b:100]", "[a:b:1.0]", "[a:b:0.05]", "[a:b:1e1]", "[a:b:1.5e-1]",
    "[a:b:+3]", "[a::5]", "[:b:5]", "[::5]", "[:5]", "[a:b:5", "a:b:5]", "[a:b:c:5]", "[a:b:]", "[a:b]", "a | b", "[c:3] a | b", "(a|b)", "[a\\:b:c:5]", "[a\\]:5]", "[ a : b : 0.5 ]",
    "[a,b:c,d:0.5], (x:1.2)", "[cat:dog:5] AND [fox:5]", "[\n:\t:3]", "[" * 40 + "a" + ":5]" * 40, "[x:(a:1.2)(b):0.3]",
    "a AND b", "a AND b:0.5", "a:1.5 AND b:-0.7", "a :2 AND  b: 3 ", "aANDb", "a and b", "中AND文", "a AND", "AND", "AND AND", "a cat:2", "at 12:30", "a:1.", "a:.5 ", "a AND a:0.3", "(a AND b)", "(a AND b:1.2)",
    "[a AND b:5]", "a\nAND\nb", "a:１ AND b", "a AND b BREAK c",
    "cat " * 75, "cat " * 76, "cat " * 150, "cat " * 151, "cat, " * 38, LONG * 3, LONG * 5, "cat " * 60 + ", " + "dog " * 20, "cat " * 50 + ", " + "dog " * 30, "cat " * 74 + ", dog", "cat " * 75 + ", dog", "," * 80,
    "cat " * 54 + ", " + "dog " * 21, "cat " * 55 + ", " + "dog " * 21, "(" + "cat " * 60 + ", " + "dog " * 20 + ":1.3) end", LONG + "BREAK " + LONG * 2, "cat " * 75 + "BREAK dog", "[" + "cat " * 80 + ":dog:0.5]",
    "supercalifragilisticexpialidocious " * 20, "赛博朋克，中国风，红色与金色，霓虹灯", "水墨画, (山水:1.3), 雾", "（杰作：1.2），最好质量", "日本語の(テキスト:1.2)、カタカナ", "\U0001f600 (smile:1.1) " * 20,
    "<|endoftext|> a", "a <|startoftext|> (b:1.2)", "a\u00a0BREAK\u3000b", "a\x1cAND\x1db", "é AND è", "(é:1.2)", "a, (b:1.1), [c], d:1.2", "score_9, (1girl:1.2), \\(vocaloid\\)", "lens 50mm f/1.8, ratio 16:9",
    "((((((((((a))))))))))", "[[[[[[[[[[a]]]]]]]]]]", "(a:999999)", "(((a) b) c", "a) b) c", "][", ")(", "a (b [c) d]", "\\[a:b:5\\]", "[a:b:5]c[d:e:7]", "[a:[b|c]:5]", "a [b|c] d [e|f|g]",
]
MENTIONS = [
    "a cat <lora:brand:0.8>", "<lora:a:0.6><lora:b:0.4>", "<lora:a:0.6:0.8>", "<lora:a:te=0.6:unet=0.8>", "<lyco:b>", "<lora:a:0.5:0.6:8>", "<lora:a:1:lbw=ALL>", "<hypernet:h:0.5> x", "<foo:bar> x",
    "< lora:a:1>", "<lora:>", "<lora::>", "<lora:a", "a < b > c", "<lora:a\nb:1>", "<中:文>", "<lo<lora:a:1>ra:b:1>", "[<lora:a:1>::5]", "<lora:a=b:1>", "<lora:a=b=c:1>", "<lora: a : .5 >", "a<lora:x:1>b", "(<lora:x:1>)", "lora:x:1",
]
STATES = [
    "a cat", "", "(masterpiece:1.4), a cat", "a [red|blue] cat", "a [cat:dog:0.3], (snow:0.7)", "[a (small:1.3) cat:" + "cat " * 80 + ":0.5]", LONG * 2, "(" + LONG * 2 + ":1.2)", "a BREAK (b:0.5)", "(a:-1)",
]


def states_of(webui, cond, prompt, emphasis, clip_skip):
    webui.opts.emphasis, webui.opts.CLIP_stop_at_last_layers = emphasis, clip_skip
    with torch.no_grad():
        [schedule] = webui.prompt_parser.get_learned_conditioning(cond, [prompt], CALLS)
    webui.opts.emphasis, webui.opts.CLIP_stop_at_last_layers = "Original", 1
    # a few numbers of each text: the beginning of each 7th vector
    return [[until, list(z.shape), [round(float(x), 7) for x in z[::7, :3].flatten()]] for until, z in schedule]


def mentions_of(webui, prompt):
    text, found = webui.extra_networks.parse_prompt(prompt)
    return [text, {name: [{"positional": each.positional, "named": each.named} for each in params] for name, params in found.items()}]


def fuzz(webui, cond, seed, count, path):
    rng = random.Random(seed)
    atoms = ["a", "b ", " ", "cat ", "(", ")", "[", "]", ":", "|", "\\", "3", "0.5", ":3]", ":0.5]", ":1.2)", "(", "[", "]", ":", "\n", "BREAK", " BREAK ", " AND ", "AND",
             ",", ", ", "x y", "[a:b:", "[a|b]", "(c)", " 4 ", "::", ".", "-1", "中", "\u3000", "dog " * 20, "cat, " * 20, "(d:1.1)", "e" * 9]
    cases = []
    for _ in range(count):
        prompt = "".join(rng.choice(atoms) for _ in range(rng.randint(1, 14)))
        cases.append([prompt, parts_of(webui, cond, prompt)])
    with open(path, "w", encoding="utf-8") as file:
        json.dump(cases, file)


def main():
    webui = load_webui(sys.argv[1])
    cond = conditioner(webui)
    if "--fuzz" in sys.argv:
        seed, count, path = sys.argv[sys.argv.index("--fuzz") + 1 :][:3]
        return fuzz(webui, cond, int(seed), int(count), path)
    golden = {
        "calls": CALLS,
        "prompts": [[prompt, parts_of(webui, cond, prompt)] for prompt in PROMPTS],
        "second_pass": [[prompt, parts_of(webui, cond, prompt, CALLS, CALLS)] for prompt in ("a [b:.5] c", "a [b:1.5] c", "[a:b:15]", "[a|b]", "[a:b:5]")],
        "mentions": [[prompt, mentions_of(webui, prompt)] for prompt in MENTIONS],
        "states": [[prompt, emphasis, skip, states_of(webui, cond, prompt, emphasis, skip)] for prompt in STATES
                   for emphasis, skip in (("Original", 1), ("Original", 2), ("No norm", 1), ("Ignore", 1), ("None", 1)) if skip == 1 or len(prompt) < 40],
    }
    with open(os.path.join(GOLDEN, "webui_prompts.json"), "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
