"""Golden renderings of messages with more than role and content: what a model thinks before it answers, a name, tools.

Which tokens are trained follows from the prefix-length method, as in text_tokenizers.py, whose tokenizers it reads from golden/.
Run: python reference/message_fields.py   (transformers 5.24)
Writes golden/message_fields.json.
"""

import json
import os
import tempfile

import transformers
from transformers import AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden")

# Thinking in a field or in the words; left out before the last question; a switch in the generation prompt, as Qwen3 has it.
THINKS = """{%- set ns = namespace(asked=0) -%}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}{%- set ns.asked = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- if tools -%}
    {{- '<|tools|>' -}}
    {%- for tool in tools -%}{{- (tool | tojson) + '\\n' -}}{%- endfor -%}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|' + message.role + ('|' + message.name if message.name is defined else '') + '|>\\n' -}}
    {%- set thought = '' -%}
    {%- set words = message.content -%}
    {%- if message.reasoning_content is string -%}
        {%- set thought = message.reasoning_content -%}
    {%- elif '</think>' in words -%}
        {%- set thought = words.split('</think>')[0].split('<think>')[-1].strip('\\n') -%}
        {%- set words = words.split('</think>')[-1].lstrip('\\n') -%}
    {%- endif -%}
    {%- if message.role == 'assistant' and loop.index0 > ns.asked -%}
        {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' -}}
    {%- endif -%}
    {{- words + '</s>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>\\n' -}}
    {%- if enable_thinking is defined and enable_thinking is false -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}
{%- endif -%}"""

# Thinking in another field, before every answer; the generation prompt opens it.
OPENS = """{%- for message in messages -%}
    {{- '<|' + message.role + '|>' -}}
    {%- if message.role == 'assistant' -%}{{- '<think>' + (message.thinking if message.thinking else '') + '</think>' -}}{%- endif -%}
    {{- message.content + '</s>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|><think>' -}}{%- endif -%}"""

TEMPLATES = {"thinks": THINKS, "not thinking": "{% set enable_thinking = false %}" + THINKS, "opens": OPENS}

TOOL = {
    "type": "function",
    "function": {
        "name": "track",
        "description": "Where is it? 您好 \"x\"",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer", "minimum": 1.5}, "fast": {"type": "boolean", "default": True}}, "required": []},
    },
}

ASKED = {"role": "user", "content": "Where is 7?"}
CONVERSATIONS = {
    "thinks": {"messages": [ASKED, {"role": "assistant", "content": "Here.", "reasoning_content": "\nseven\nis here\n"}]},
    "thinks twice": {
        "messages": [
            ASKED,
            {"role": "assistant", "content": "Here.", "reasoning_content": "one"},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Yes.", "reasoning_content": "two"},
        ]
    },
    "greets": {"messages": [{"role": "assistant", "content": "Hello.", "thinking": "greet"}, ASKED, {"role": "assistant", "content": "Here.", "thinking": "one"}]},
    "in the words": {"messages": [ASKED, {"role": "assistant", "content": "<think>\none\n</think>\n\nHere."}]},
    "does not think": {"messages": [{"role": "system", "content": "S"}, ASKED, {"role": "assistant", "content": "Here."}]},
    "names": {"messages": [{**ASKED, "name": "bob"}, {"role": "assistant", "content": "Here.", "name": "bot"}]},
    "tools": {"messages": [ASKED, {"role": "assistant", "content": "Here.", "reasoning_content": "one"}], "tools": [TOOL]},
}


def tokenizer_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file)
        return AutoTokenizer.from_pretrained(folder)


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


class Case:
    def __init__(self, tokenizer, template, messages, tools=None):
        self.messages = messages
        self.text = lambda part, prompt: tokenizer.apply_chat_template(part, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=prompt)
        self.ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]

    def rows(self):
        """[ids, first and last + 1 of each trained span]: one row, or one for each answer where the template rewrites earlier ones."""
        answers = [i for i, message in enumerate(self.messages) if message["role"] == "assistant"]
        whole = self.text(self.messages, False)
        if all(whole.startswith(self.text(self.messages[: i + 1], False)) for i in answers):
            return [[self.ids(whole), [self.span(i, whole) for i in answers]]]
        wholes = [self.text(self.messages[: i + 1], False) for i in answers]
        return [[self.ids(text), [self.span(i, text)]] for i, text in zip(answers, wholes)]

    def span(self, i, whole):
        before, end = self.ids(self.text(self.messages[:i], True)), self.ids(self.text(self.messages[: i + 1], False))
        return [common(before, self.ids(whole)), common(end, self.ids(whole))]


def main():
    with open(os.path.join(GOLDEN, "text_tokenizers.json"), encoding="utf-8") as file:
        files = json.load(file)["tokenizers"]["llama3"]["files"]
    tokenizer = tokenizer_of(files)
    cases = {}
    for name, template in TEMPLATES.items():
        cases[name] = {}
        for title, conversation in CONVERSATIONS.items():
            case = Case(tokenizer, template, **conversation)
            rows = None if title == "greets" else case.rows()
            texts = [case.text(conversation["messages"], prompt) for prompt in (False, True)]
            cases[name][title] = {"texts": texts, "rows": rows}
    golden = {"transformers": transformers.__version__, "conversations": CONVERSATIONS, "templates": TEMPLATES, "cases": cases}
    with open(os.path.join(GOLDEN, "message_fields.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
