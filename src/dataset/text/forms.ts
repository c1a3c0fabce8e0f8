// The forms in which people write training samples: messages, ShareGPT, Alpaca, prompt and
// completion, text.
import { closest, distance } from 'fastest-levenshtein';
import { isObject } from '../../util/is-object.ts';
import { blank, type Fault, type Fields, first, isMessage, kindOf, parsedList } from './fields.ts';
import { readMessages } from './messages.ts';
import type { SampleMessage, TextContent } from './sample.ts';

export type TextForm =
  'messages' | 'ShareGPT conversations' | 'Alpaca' | 'prompt and completion' | 'text';

export type Interpreted =
  | { readonly form: TextForm; readonly content: TextContent }
  | { readonly faults: readonly Fault[] };

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
const isMessages = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.length > 0 && value.every(isMessage);
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
    return conversation([...fields[prompt], ...fields[answer]], 'messages');
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
  const checked = conversation(
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
  const [read, tools] = [conversation(list, form, systemOf(fields)), toolsOf(fields)];
  if ('what' in tools) return { faults: [...('faults' in read ? read.faults : []), tools] };
  if ('faults' in read || read.content.kind !== 'chat' || tools.length === 0) return read;
  return { ...read, content: { ...read.content, tools } };
}

/** `before`: what a field of its own puts before the list. */
function conversation(
  list: readonly unknown[],
  form: TextForm,
  before: readonly Fields[] = [],
): Interpreted {
  const content = readMessages(list, before);
  return 'faults' in content ? content : { form, content };
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
