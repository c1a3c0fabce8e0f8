// Chat templates by name, in Jinja: how each family of models writes a conversation as one text.

/**
 * Each takes what transformers gives to a template (`messages`, `add_generation_prompt`,
 * `bos_token`, `eos_token`), and `adds_bos`: true where the tokenizer begins a text with bos. A
 * message may carry `instruction` and `input` apart. Where a family has no system turn, the text
 * stands before the first question.
 */
export const chatTemplates = {
  chatml: String.raw`{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,

  'llama-3': String.raw`{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`,

  'llama-2': String.raw`{% set system = '' %}{% if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}`,

  mistral: String.raw`{{ bos_token }}{% set system = '' %}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + (system if loop.first else '') + message['content'] + '[/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}`,

  gemma: String.raw`{{ bos_token }}{% set system = '' %}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' + (system if loop.first else '') + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}`,

  'phi-3': String.raw`{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}`,

  zephyr: String.raw`{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}`,

  vicuna: String.raw`{% if adds_bos %}{{ bos_token }}{% endif %}{% set system = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions." %}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}{{ system + ' ' }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ASSISTANT:' }}{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}`,

  alpaca: String.raw`{% if adds_bos %}{{ bos_token }}{% endif %}{% set preamble = '' %}{% if messages[0]['role'] == 'system' %}{% set preamble = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% elif messages[0]['input'] %}{% set preamble = 'Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n' %}{% else %}{% set preamble = 'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ (preamble if loop.first else '\n\n') + '### Instruction:\n' + (message['instruction'] if message['input'] else message['content']) + ('\n\n### Input:\n' + message['input'] if message['input'] else '') + '\n\n### Response:\n' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}`,

  plain: String.raw`{% if adds_bos %}{{ bos_token }}{% endif %}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% elif message['role'] == 'system' %}{{ message['content'] + '\n\n' }}{% else %}{{ ('\n' if loop.index0 > 1 else '') + message['content'] + '\n' }}{% endif %}{% endfor %}`,
} as const;

export type ChatTemplateName = keyof typeof chatTemplates;

/** Other names of the same, without punctuation and in lower case. */
export const otherTemplateNames: Readonly<Record<string, ChatTemplateName>> = {
  qwen: 'chatml',
  qwen2: 'chatml',
  qwen25: 'chatml',
  qwen3: 'chatml',
  qwen3nothink: 'chatml',
  llama31: 'llama-3',
  llama32: 'llama-3',
  gemma2: 'gemma',
  gemma3: 'gemma',
  phi3: 'phi-3',
  phi35: 'phi-3',
  none: 'plain',
};
