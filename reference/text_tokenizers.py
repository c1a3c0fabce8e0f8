"""Small tokenizers of each kind, their ids and texts by transformers, and the chat templates rendered by it.

    python reference/text_tokenizers.py     writes reference/golden/text_tokenizers.json, chat_templates.json and
                                            text_labels.json (which tokens are trained, by the prefix-length method)

The tokenizers are trained here on a page of text; the named templates are read from src/tokenizer/chat-templates.ts
(run `npm ci` first); nothing is downloaded.
"""

import json
import os
import subprocess
import tempfile

import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))

PAGE = (
    "Good morning, how can I help you with your order? The parcel left our house on Monday and arrives in 3 days. "
    "You can return the lamp within 30 days; we pay for it. Don't worry, it's easy!\n\nThanks a lot.\n"
    "您好，请问我的订单什么时候发货？我们会在三天内发货，请放心。谢谢您的耐心等待！\n"
    "def f(x):\n    return x + 1234\n"
) * 3

SPECIAL = ["<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>", "<|end|>", "<|im_start|>", "<|im_end|>"]

TEXTS = [
    "Hello world",
    " leading and  double  spaces ",
    "Don't you'll we've I'M HE'S",
    "您好，我的订单呢？",
    "中文 mixed with English, 123456 numbers",
    "emoji 😀👩‍👩‍👧 and ❤️ and 🇨🇳",
    "tabs\tand\nnew\n\nlines\n",
    "<|user|>Where is my parcel?<|assistant|>Here.<|end|>",
    "<s>already begun</s>",
    "café naïve ﬁne Å",
    "عربى עברית ไทย 한국어",
    "x" * 40,
    "\u00a0no-break\u3000ideographic",
    "▁ underline of SentencePiece",
    "a \u0085\u0085  b",
    "",
]

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def begin(tokenizer):
    bos = ("<s>", tokenizer.token_to_id("<s>"))
    return processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[bos])


def bpe(pre_tokenizer, vocab_size, bos):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([PAGE], trainer)
    if bos:
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin(tokenizer)])
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def gpt2():
    return bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), 420, bos=False)


def llama3():
    split = pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated", invert=False)
    return bpe(pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), 420, bos=True)


def llama2():
    """SentencePiece's BPE as the llama tokenizer has it: spaces are letters, unknown letters are bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    english = PAGE.encode("ascii", "ignore").decode() + "您好，"
    # Bytes are no marks: they must appear in the text.
    trainer = trainers.BpeTrainer(vocab_size=460, special_tokens=SPECIAL + [f"<0x{b:02X}>" for b in range(256)], show_progress=False, max_token_length=8)
    tokenizer.train_from_iterator(english.split("\n"), trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = begin(tokenizer)
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=220, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(PAGE.split("\n"), trainer)
    return tokenizer


def files_of(tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        names = [name for name in sorted(os.listdir(folder)) if name.endswith(".json")]
        return {name: json.load(open(os.path.join(folder, name), encoding="utf-8")) for name in names}


def case(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    return {
        "text": text,
        "ids": ids,
        "with_special": tokenizer.encode(text),
        "decoded": tokenizer.decode(ids, clean_up_tokenization_spaces=False),
        "decoded_skip": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
    }


def wrap(tokenizer):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False)


CONVERSATIONS = {
    "one turn": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "On its way."}],
    "system": [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "您好 😀"}, {"role": "assistant", "content": "您好！"}],
    "two turns": [
        {"role": "user", "content": "a\nb "},
        {"role": "assistant", "content": " c"},
        {"role": "user", "content": "d"},
        {"role": "assistant", "content": "e"},
    ],
    "question": [{"role": "user", "content": "Hello"}],
    "thinking": [
        {"role": "user", "content": "想一想 \n "},
        {"role": "assistant", "content": "<think>\n嗯\n</think>\n\n 四十二 \n"},
        {"role": "user", "content": "确定吗？"},
        {"role": "assistant", "content": "\n<think>\n再想\n</think>\n\n确定。\n"},
    ],
    "alpaca input": [
        {"role": "user", "content": "Sort.\n3 1 2", "instruction": "Sort.", "input": "3 1 2"},
        {"role": "assistant", "content": "1 2 3"},
    ],
}

# What templates in the wild use: namespaces, macros, tests, filters, loop variables, white space control, refusals.
WILD = {
    "wild": """{%- macro head(role) -%}
    <|{{ role }}|>
{%- endmacro -%}
{%- set ns = namespace(turn=0, system='none') -%}
{%- if messages[0].role == 'system' -%}
    {%- set ns.system = messages[0].content | trim -%}
    {%- set messages = messages[1:] -%}
{%- endif -%}
{{ bos_token }}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('Roles must alternate user/assistant') }}
    {%- endif %}
    {%- set ns.turn = ns.turn + 1 %}
{{ head(message.role) }}
    {%- if loop.first and ns.system is defined and ns.system is not none %} ({{ ns.system | upper }}){% endif %}
{{ message.content.split('\\n')[-1].strip() }}
    {%- if message.role == 'assistant' and not loop.last %} ~ {{ ns.turn }}{{ eos_token }}
    {%- elif message.role == 'assistant' -%}
        {% generation %}[{{ message.content | tojson }}]{{ eos_token }}{% endgeneration %}
    {%- endif %}
{%- endfor %}
{%- if tools is defined and tools %}tools{% endif %}
{%- if add_generation_prompt -%}
    {{ head('assistant') }}
{%- endif -%}
""",
    # Earlier thinking is left out; only line breaks are stripped, spaces stay.
    "thinking": """{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' %}
        {%- if not loop.last %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|assistant|>' + content.strip('\\n') + '<|end|>' }}
    {%- else %}
        {{- '<|' + message.role + '|>' + content.rstrip(' ') }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}""",
}


def named_templates():
    code = "import('./src/tokenizer/chat-templates.ts').then((m) => console.log(JSON.stringify(m.chatTemplates)))"
    return json.loads(subprocess.run(["node", "--import", "tsx", "-e", code], cwd=os.path.join(HERE, ".."), capture_output=True, check=True).stdout)


def render(tokenizer, template, messages, prompt):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=prompt, adds_bos=True)
    except Exception as error:
        return {"error": str(error)}


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def labelled(tokenizer, template, messages):
    """Rows of [ids, first and last + 1 of each trained span]: one row, or one for each answer where the template rewrites earlier ones."""
    text = lambda part, prompt: tokenizer.apply_chat_template(part, chat_template=template, tokenize=False, add_generation_prompt=prompt, adds_bos=True)
    ids = lambda part, prompt: tokenizer(text(part, prompt), add_special_tokens=False)["input_ids"]
    answers = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
    if all(text(messages, False).startswith(text(messages[: i + 1], False)) for i in answers):
        whole = ids(messages, False)
        return [[whole, [[common(ids(messages[:i], True), whole), common(ids(messages[: i + 1], False), whole)] for i in answers]]]
    rows = []
    for i in answers:
        whole = ids(messages[: i + 1], False)
        rows.append([whole, [[common(ids(messages[:i], True), whole), len(whole)]]])
    return rows


STEP_TEXT = "the-final--countdown, １２３ ½① naïve 您好。（再见）x_1 don't!?  9a"

STEPS = [
    {"type": "Digits", "individual_digits": True},
    {"type": "Digits", "individual_digits": False},
    {"type": "Punctuation", "behavior": "Isolated"},
    {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "Whitespace"},
    {"type": "FixedLength", "length": 5},
] + [
    {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}
    for pattern in ({"String": "-"}, {"Regex": "\\s|[。（]"})
    for behavior in ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext")
]


def pieces(step):
    data = json.loads(Tokenizer(models.BPE()).to_str())
    return [piece for piece, _ in Tokenizer.from_str(json.dumps({**data, "pre_tokenizer": step})).pre_tokenizer.pre_tokenize_str(STEP_TEXT)]


LABELLED = ["system", "two turns", "thinking"]


def write(name, value):
    with open(os.path.join(HERE, "golden", name), "w", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    tokenizers = {name: wrap(make()) for name, make in {"gpt2": gpt2, "llama3": llama3, "llama2": llama2, "unigram": unigram}.items()}
    versions = {"transformers": transformers.__version__}
    write("text_tokenizers.json", {**versions, "tokenizers": {name: {"files": files_of(t), "cases": [case(t, text) for text in TEXTS]} for name, t in tokenizers.items()}, "steps": {"text": STEP_TEXT, "pieces": [[step, pieces(step)] for step in STEPS]}})
    templates = {**named_templates(), **WILD}
    rendered = {
        name: {"source": source, "cases": {title: [render(tokenizers["llama3"], source, messages, prompt) for prompt in (False, True)] for title, messages in CONVERSATIONS.items()}}
        for name, source in templates.items()
    }
    write("chat_templates.json", {**versions, "conversations": CONVERSATIONS, "templates": rendered})
    labels = {
        name: {template: {title: labelled(t, templates[template], CONVERSATIONS[title]) for title in LABELLED} for template in ("chatml", "mistral", "thinking")}
        for name, t in tokenizers.items()
    }
    write("text_labels.json", {**versions, "labels": labels})


main()
