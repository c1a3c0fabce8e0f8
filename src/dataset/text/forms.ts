// The forms in which people write training samples: messages, ShareGPT, Alpaca, prompt and
// completion, text.
import { closest, distance } from 'fastest-levenshtein';
import { isObject } from '../../util/is-object.ts';
import type { SampleMessage, TextContent } from './sample.ts';

export type TextForm =
  'messages' | 'ShareGPT conversations' | 'Alpaca' | 'prompt and completion' | 'text';

/** What is wrong with a sample; the reader adds where. */
export interface Fault {
  readonly what: string;
  readonly fix: string;
}

export type Interpreted =
  | { readonly form: TextForm; readonly content: TextContent }
  | { readonly faults: readonly Fault[] };

type Fields = Readonly<Record<string, unknown>>;

const conversationKeys = [
  'messages',
  'conversations',
  'conversation',
  'dialog',
  'dialogue',
] as const;
const instructionKeys = ['instruction'] as const;
const promptKeys = ['prompt', 'question', 'query', 'input'] as const;
const answerKeys = ['completion', 'response', 'answer', 'output'] as const;
const textKeys = ['text', 'content'] as const;
const everyKey: readonly string[] = [
  ...conversationKeys,
  ...instructionKeys,
  ...promptKeys,
  ...answerKeys,
  ...textKeys,
];

const forms =
  'messages (a list of {role, content}), conversations (a list of {from, value}), instruction with output, prompt with completion, or text';

/** Finds the form of a record by its fields and reads it. */
export function interpret(value: unknown): Interpreted {
  if (isMessages(value)) return readConversation({ messages: value }, 'messages');
  if (!isObject(value))
    return fault(
      `is ${kindOf(value)}, not an object with fields`,
      `Write an object with ${forms}.`,
    );
  const conversation = first(value, conversationKeys);
  if (conversation !== undefined) return readConversation(value, conversation);
  if ('instruction' in value) return readAlpaca(value);
  const prompt = first(value, promptKeys);
  if (prompt !== undefined) return readPair(value, prompt);
  const text = first(value, textKeys);
  if (text !== undefined) return readText(value, text);
  return { faults: [unknownFields(value)] };
}

/** Whether a record with such fields may be a sample. */
export const hasKnownField = (fields: Fields): boolean => everyKey.some((key) => key in fields);

const fault = (what: string, fix: string): Interpreted => ({ faults: [{ what, fix }] });
const isMessage = (value: unknown): boolean =>
  isObject(value) && ('role' in value || 'from' in value);
const isMessages = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.length > 0 && value.every(isMessage);
const first = (fields: Fields, keys: readonly string[]): string | undefined =>
  keys.find((key) => key in fields);
/** Characters without width are nothing to read either. */
const blank = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (typeof value === 'string' && value.replace(/[\u200b-\u200d\u2060\ufeff]/g, '').trim() === '');
const kindOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;

/** The fault of a record that is no sample by its fields. */
export function unknownFields(value: Fields): Fault {
  const names = Object.keys(value);
  if (names.length === 0) return { what: 'is empty', fix: 'Delete it, or fill it.' };
  const near = names
    .filter((name) => !everyKey.includes(name))
    .map((name) => ({ name, key: closest(name.toLowerCase(), everyKey) }))
    .find(({ name, key }) => distance(name.toLowerCase(), key) <= 2);
  const answer = first(value, answerKeys);
  const what =
    answer === undefined
      ? `has none of the known fields, but ${names
          .slice(0, 6)
          .map((name) => `"${name}"`)
          .join(', ')}`
      : `has "${answer}", but no question for it`;
  if (near !== undefined) return { what, fix: `Did you mean "${near.key}" for "${near.name}"?` };
  return {
    what,
    fix:
      answer === undefined
        ? `Use ${forms}.`
        : 'Add "prompt", or write a text without question as "text".',
  };
}

// ---- text, prompt and completion, Alpaca

function readText(fields: Fields, key: string): Interpreted {
  const text = fields[key];
  if (blank(text)) return fault(`"${key}" is empty`, 'Delete the sample, or fill it.');
  if (typeof text !== 'string')
    return fault(`"${key}" is ${kindOf(text)}, not text`, 'Put the text in double quotes.');
  return { form: 'text', content: { kind: 'text', text } };
}

/** The fields as text; faults for those that are absent, empty or something else. */
function strings(
  fields: Fields,
  keys: readonly (string | undefined)[],
  meant: readonly string[],
): { values: readonly string[] } | { faults: readonly Fault[] } {
  const faults = keys.flatMap((key, i): Fault[] => {
    if (key === undefined)
      return [lacks(fields, String(keys.find((one) => one !== undefined)), meant[i])];
    if (blank(fields[key]))
      return [{ what: `"${key}" is empty`, fix: 'Delete the sample, or fill it.' }];
    return typeof fields[key] === 'string'
      ? []
      : [
          {
            what: `"${key}" is ${kindOf(fields[key])}, not text`,
            fix: 'Put the text in double quotes.',
          },
        ];
  });
  return faults.length > 0 ? { faults } : { values: keys.map((key) => String(fields[key ?? ''])) };
}

function lacks(fields: Fields, has: string, wanted: string): Fault {
  if ('chosen' in fields)
    return {
      what: 'has "chosen" and "rejected": preferences are not trained',
      fix: 'Rename "chosen" to "completion", and leave "rejected" out.',
    };
  return { what: `has "${has}" but no "${wanted}"`, fix: `Add "${wanted}".` };
}

function readPair(fields: Fields, prompt: string): Interpreted {
  const answer = first(fields, answerKeys);
  if (answer !== undefined && isMessages(fields[prompt]) && isMessages(fields[answer]))
    return readMessages([...fields[prompt], ...fields[answer]], 'messages');
  const read = strings(fields, [prompt, answer], ['prompt', 'completion']);
  if ('faults' in read) return read;
  const several = [promptKeys, answerKeys].flatMap((keys) => severalFaults(fields, keys));
  if (several.length > 0) return { faults: several };
  return {
    form: 'prompt and completion',
    content: { kind: 'completion', prompt: read.values[0], completion: read.values[1] },
  };
}

/** Of two questions or two answers one would be lost. */
function severalFaults(fields: Fields, keys: readonly string[]): Fault[] {
  const filled = keys.filter((key) => !blank(fields[key]));
  if (new Set(filled.map((key) => fields[key])).size < 2) return [];
  const fix =
    keys === promptKeys
      ? 'Join them into one, or use "instruction" with "input".'
      : 'Remove one of them, or rename it.';
  return [
    {
      what: `has ${filled.map((key) => `"${key}"`).join(' and ')}; it is not clear which of them is meant`,
      fix,
    },
  ];
}

function readAlpaca(fields: Fields): Interpreted {
  const answer = first(fields, ['output', 'response', 'answer', 'completion']);
  const read = strings(fields, ['instruction', answer], ['instruction', 'output']);
  if ('faults' in read) return read;
  const [instruction, output] = read.values;
  const wrong = alpacaFaults(fields);
  if (wrong.length > 0) return { faults: wrong };
  const input =
    typeof fields['input'] === 'string' && !blank(fields['input']) ? fields['input'] : undefined;
  const question: SampleMessage =
    input === undefined
      ? { role: 'user', content: instruction }
      : { role: 'user', content: `${instruction}\n${input}`, instruction, input };
  const before = Array.isArray(fields['history'])
    ? fields['history'].flatMap((pair) =>
        Array.isArray(pair)
          ? [
              { role: 'user', content: pair[0] },
              { role: 'assistant', content: pair[1] },
            ]
          : [],
      )
    : [];
  const checked = readMessages(
    [...systemOf(fields), ...before, { ...question }, { role: 'assistant', content: output }],
    'Alpaca',
  );
  // Checking keeps role and content only; the parts of the question come back.
  if ('faults' in checked || checked.content.kind !== 'chat' || input === undefined) return checked;
  const messages = checked.content.messages;
  return {
    form: 'Alpaca',
    content: { kind: 'chat', messages: messages.with(messages.length - 2, question) },
  };
}

/** What may be absent must be right where it is there. */
function alpacaFaults({ input, history }: Fields): Fault[] {
  const pairs =
    Array.isArray(history) && history.every((pair) => Array.isArray(pair) && pair.length === 2);
  return [
    ...(blank(input) || typeof input === 'string'
      ? []
      : [{ what: `"input" is ${kindOf(input)}, not text`, fix: 'Put the text in double quotes.' }]),
    ...(blank(history) || pairs
      ? []
      : [
          {
            what: '"history" is not a list of [question, answer]',
            fix: 'Write [["question", "answer"]], or leave it out.',
          },
        ]),
  ];
}

const systemOf = (fields: Fields): Fields[] =>
  blank(fields['system']) ? [] : [{ role: 'system', content: fields['system'] }];

// ---- conversations

const roles: ReadonlyMap<string, SampleMessage['role']> = new Map([
  ...['system', 'developer'].map((name) => [name, 'system'] as const),
  ...['user', 'human', 'prompter'].map((name) => [name, 'user'] as const),
  ...['assistant', 'gpt', 'chatgpt', 'bing', 'bot', 'model'].map(
    (name) => [name, 'assistant'] as const,
  ),
]);

function readConversation(fields: Fields, key: string): Interpreted {
  const list = typeof fields[key] === 'string' ? parsedList(fields[key]) : fields[key];
  if (!Array.isArray(list))
    return fault(
      `"${key}" is ${kindOf(list)}, not a list of messages`,
      'Write [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}].',
    );
  if (list.length === 0) return fault(`"${key}" has no messages`, 'Delete the sample, or fill it.');
  const shareGpt = list.some((message) => isObject(message) && 'from' in message);
  const form = shareGpt ? 'ShareGPT conversations' : 'messages';
  const [read, tools] = [readMessages(list, form, systemOf(fields)), toolsOf(fields)];
  if ('what' in tools) return { faults: [...('faults' in read ? read.faults : []), tools] };
  if ('faults' in read || read.content.kind !== 'chat' || tools.length === 0) return read;
  return { ...read, content: { ...read.content, tools } };
}

/** A cell of a CSV file may hold the list as JSON. */
function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * An empty system message stays: it is not the same as none, for which many templates have a prompt
 * of their own. `before`: what a field of its own puts before the list; it is not counted in
 * messages.
 */
function readMessages(
  list: readonly unknown[],
  form: TextForm,
  before: readonly Fields[] = [],
): Interpreted {
  const read = [...before, ...list].map((message, i) =>
    readMessage(message, `message ${i + 1 - before.length}`),
  );
  const faults = read.flatMap((message) => ('what' in message ? [message] : []));
  const messages = read.flatMap((message) => ('what' in message ? [] : [message]));
  if (faults.length > 0) return { faults };
  if (!messages.some(({ role }) => role === 'assistant'))
    return fault('has no answer of the assistant', 'Add the answer, or delete the sample.');
  const unusual = unusualOrder(messages);
  return {
    form,
    content: { kind: 'chat', messages, ...(unusual !== undefined && { unusual }) },
  };
}

function readMessage(message: unknown, name: string): SampleMessage | Fault {
  if (!isObject(message))
    return {
      what: `${name} is ${kindOf(message)}, not an object`,
      fix: 'Write {"role": "user", "content": "…"}.',
    };
  const [roleKey, contentKey] = [
    first(message, ['role', 'from']),
    first(message, ['content', 'value']),
  ];
  if (roleKey === undefined)
    return { what: `${name} has no "role"`, fix: 'Add "role": "user", "assistant" or "system".' };
  const said = message[roleKey];
  const role = typeof said === 'string' ? roles.get(said.trim().toLowerCase()) : undefined;
  if (role === undefined)
    return {
      what: `${name} has the role ${JSON.stringify(said)}`,
      fix: 'Roles are system, user and assistant (in ShareGPT also human and gpt); calls of tools are not supported.',
    };
  if (!blank(message['tool_calls']) || !blank(message['function_call']))
    return {
      what: `${name} (${role}) calls a tool`,
      fix: 'Calls of tools are not supported; delete the sample.',
    };
  const content = plainContent(contentKey === undefined ? undefined : message[contentKey]);
  if (contentKey === undefined)
    return { what: `${name} (${role}) has no "content"`, fix: 'Add its text.' };
  if (content === undefined)
    return {
      what: `${name} (${role}): its content is ${kindOf(message[contentKey])}, not text`,
      fix: 'Pictures and other media are not supported; write text.',
    };
  if (role !== 'system' && blank(content))
    return { what: `${name} (${role}) is empty`, fix: 'Write its text, or delete the sample.' };
  const train = trainedOf(message);
  if (train === undefined) return untrainable(message, `${name} (${role})`);
  return train ? { role, content } : { role, content, train };
}

const untrainable = (message: Fields, name: string): Fault => ({
  what: `${name}: ${'train' in message ? `"train" is ${JSON.stringify(message['train'])}, where true or false` : `"weight" is ${JSON.stringify(message['weight'])}, where 0 or 1`} is expected`,
  fix: 'Write it without quotes, or leave it out.',
});

/** `train: false`, or OpenAI's `weight: 0`; undefined for anything else than true or false. */
function trainedOf({ train = true, weight = 1 }: Fields): boolean | undefined {
  if (train === null || weight === null) return true;
  return typeof train === 'boolean' && (weight === 0 || weight === 1)
    ? train && weight === 1
    : undefined;
}

/** Text, or a list of parts that are all text. */
function plainContent(content: unknown): string | undefined {
  if (content === null) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const parts = content.map((part: unknown) =>
    isObject(part) && part['type'] === 'text' && typeof part['text'] === 'string'
      ? part['text']
      : undefined,
  );
  return parts.some((part) => part === undefined) ? undefined : parts.join('');
}

/**
 * Most templates take other orders than system, user and assistant in turns too; what one refuses
 * it says itself.
 */
function unusualOrder(messages: readonly SampleMessage[]): string | undefined {
  const offset = messages[0]?.role === 'system' ? 1 : 0;
  for (let i = offset; i < messages.length; i++) {
    const [role, before] = [messages[i].role, i === offset ? 'nobody' : messages[i - 1].role];
    if (role === 'system') return `message ${i + 1} is a system message in the middle`;
    if (role === before) return `messages ${i} and ${i + 1} are both the ${role}'s`;
    if (role === 'assistant' && before === 'nobody') return 'begins with the assistant';
  }
  const last = messages.at(-1)?.role;
  return last === 'assistant' ? undefined : `ends with the ${last}, and no answer`;
}

/** Descriptions of tools beside a conversation, or as JSON in a text. */
function toolsOf(fields: Fields): readonly unknown[] | Fault {
  const given = fields['tools'] ?? fields['functions'];
  if (blank(given)) return [];
  const tools = typeof given === 'string' ? parsedList(given) : given;
  if (Array.isArray(tools)) return tools;
  return {
    what: `"tools" is ${kindOf(tools)}, not a list`,
    fix: 'Write a list of descriptions, or leave it out.',
  };
}
