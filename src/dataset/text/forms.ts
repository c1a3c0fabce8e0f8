// The forms in which people write training samples: messages, ShareGPT, Alpaca, prompt and
// completion, text.
import { isObject } from '../../util/is-object.ts';
import { reasoningNames } from '../../tokenizer/chat.ts';
import {
  answerKeys,
  conversationKeys,
  everyKey,
  inputKeys,
  instructionKeys,
  listKeys,
  promptKeys,
  systemKeys,
  textKeys,
  toolKeys,
} from './field-names.ts';
import {
  blank,
  type Fault,
  type Fields,
  filled,
  first,
  isMessage,
  kindOf,
  parsedList,
  withoutNulls,
} from './fields.ts';
import { type Chat, readMessages } from './messages.ts';
import { knownForms, lacksAnswer, notText, unknownFields } from './missing-fields.ts';
import { preferenceFault } from './preferences.ts';
import type { TextContent } from './sample.ts';

export type TextForm =
  'messages' | 'ShareGPT conversations' | 'Alpaca' | 'prompt and completion' | 'text';

/** A sample, and the fields that it was read from. */
interface Read {
  readonly form: TextForm;
  readonly content: TextContent;
  readonly used: readonly string[];
}

interface Refused {
  readonly faults: readonly Fault[];
}

/** `unread`: the fields that hold something and are no part of the sample. */
export type Interpreted =
  | {
      readonly form: TextForm;
      readonly content: TextContent;
      readonly unread: Fields;
    }
  | Refused;

type Reader = (fields: Fields, key: string) => Read | Refused;

/** In the order in which they are looked for. */
const readers: readonly (readonly [keys: readonly string[], read: Reader])[] = [
  [conversationKeys, readConversation],
  [instructionKeys, readAlpaca],
  [promptKeys, readPair],
  [textKeys, readText],
];

/**
 * Finds the form of a record by the fields that hold something, or else by those that are there,
 * and reads it.
 */
export function interpret(value: unknown): Interpreted {
  if (isMessages(value)) return withUnread({}, readConversation({ messages: value }, 'messages'));
  if (!isObject(value))
    return fault(
      `is ${kindOf(value)}, not an object with fields`,
      `Write an object with ${knownForms}.`,
    );
  const fields = withLists(value);
  const holds = filled(fields);
  const form =
    readers.find(([keys]) => keys.some((key) => key in holds)) ??
    readers.find(([keys]) => keys.some((key) => key in fields));
  const key = form === undefined ? undefined : first(fields, form[0]);
  const read =
    form === undefined || key === undefined
      ? { faults: [unknownFields(holds)] }
      : form[1](fields, key);
  return withUnread(holds, orPreferences(read, holds, key));
}

/** What is wrong with preferences is that they are; what is right besides is read. */
function orPreferences(read: Read | Refused, holds: Fields, key?: string): Read | Refused {
  const preferences = 'faults' in read ? preferenceFault(holds, key) : undefined;
  return preferences === undefined ? read : { faults: [preferences] };
}

/** A cell of a CSV file may hold a list as JSON. */
const withLists = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' && listKeys.includes(name) ? parsedList(value) : value,
    ]),
  );

function withUnread(holds: Fields, read: Read | Refused): Interpreted {
  if ('faults' in read) return read;
  const { form, content, used } = read;
  const words = wordsOf(content);
  const unread = Object.entries(holds).filter(
    ([name, value]) => !used.includes(name) && !words.includes(value),
  );
  return { form, content, unread: Object.fromEntries(unread) };
}

/** What a field beside them may say again, as the question of a conversation. */
const wordsOf = (content: TextContent): unknown[] =>
  content.kind === 'chat' ? content.messages.map((message) => message.content) : [];

/** Whether a record with such fields may be a sample. */
export const hasKnownField = (fields: Fields): boolean => everyKey.some((key) => key in fields);

const fault = (what: string, fix: string): Refused => ({ faults: [{ what, fix }] });
const isMessages = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.length > 0 && value.every(isMessage);
// ---- text, prompt and completion, Alpaca

function readText(fields: Fields, key: string): Read | Refused {
  const text = fields[key];
  if (blank(text)) return fault(`"${key}" is empty`, 'Delete the sample, or fill it.');
  if (typeof text !== 'string') return { faults: [notText(key, text)] };
  return { form: 'text', content: { kind: 'text', text }, used: [key] };
}

/** The fields as text; faults for those that are absent, empty or something else. */
function strings(
  fields: Fields,
  keys: readonly (string | undefined)[],
  meant: readonly string[],
): { values: readonly string[] } | { faults: readonly Fault[] } {
  const faults = keys.flatMap((key, i): Fault[] => {
    if (key === undefined)
      return [lacksAnswer(fields, String(keys.find((one) => one !== undefined)), meant[i])];
    if (blank(fields[key]))
      return [{ what: `"${key}" is empty`, fix: 'Delete the sample, or fill it.' }];
    return typeof fields[key] === 'string' ? [] : [notText(key, fields[key])];
  });
  return faults.length > 0 ? { faults } : { values: keys.map((key) => String(fields[key ?? ''])) };
}

function readPair(fields: Fields, prompt: string): Read | Refused {
  const answer = first(fields, answerKeys);
  if (answer !== undefined && isMessages(fields[prompt]) && isMessages(fields[answer]))
    return conversation(fields, [prompt, answer], [...fields[prompt], ...fields[answer]]);
  const read = strings(fields, [prompt, answer], ['prompt', 'completion']);
  if ('faults' in read) return read;
  const several = [promptKeys, answerKeys].flatMap((keys) => severalFaults(fields, keys));
  if (several.length > 0) return { faults: several };
  const used = [...promptKeys, ...answerKeys];
  const [question, completion] = read.values;
  const [system, reasoning] = [systemOf(fields), reasoningOf(fields)];
  const form = 'prompt and completion';
  if (system.used.length === 0 && reasoning.used.length === 0)
    return { form, content: { kind: 'completion', prompt: question, completion }, used };
  const messages = [
    { role: 'user', content: question },
    { role: 'assistant', content: completion, ...reasoning.fields },
  ];
  return { ...conversation(fields, [...used, ...reasoning.used], messages), form };
}

/** Of two questions or two answers one would be lost. */
function severalFaults(fields: Fields, keys: readonly string[]): Fault[] {
  const several = keys.filter((key) => !blank(fields[key]));
  if (new Set(several.map((key) => fields[key])).size < 2) return [];
  const fix =
    keys === promptKeys
      ? 'Join them into one, or use "instruction" with "input".'
      : 'Remove one of them, or rename it.';
  return [
    {
      what: `has ${several.map((key) => `"${key}"`).join(' and ')}; it is not clear which of them is meant`,
      fix,
    },
  ];
}

function readAlpaca(fields: Fields): Read | Refused {
  const answer = first(fields, ['output', 'response', 'answer', 'completion']);
  const read = strings(fields, ['instruction', answer], ['instruction', 'output']);
  if ('faults' in read) return read;
  const [instruction, output] = read.values;
  const wrong = alpacaFaults(fields);
  if (wrong.length > 0) return { faults: wrong };
  const inputKey = first(fields, inputKeys) ?? 'input';
  const input = fields[inputKey];
  const question = blank(input)
    ? { role: 'user', content: instruction }
    : { role: 'user', content: `${instruction}\n${String(input)}`, instruction, input };
  const reasoning = reasoningOf(fields);
  const used = ['instruction', inputKey, String(answer), 'history', ...reasoning.used];
  const messages = [
    ...historyOf(fields),
    question,
    { role: 'assistant', content: output, ...reasoning.fields },
  ];
  return { ...conversation(fields, used, messages), form: 'Alpaca' };
}

function historyOf({ history }: Fields): Fields[] {
  if (blank(history) || !Array.isArray(history)) return [];
  return history.flatMap((pair) =>
    Array.isArray(pair)
      ? [
          { role: 'user', content: pair[0] },
          { role: 'assistant', content: pair[1] },
        ]
      : [],
  );
}

/** What may be absent must be right where it is there. */
function alpacaFaults(fields: Fields): Fault[] {
  const { history } = fields;
  const inputKey = first(fields, inputKeys) ?? 'input';
  const input = fields[inputKey];
  const pairs =
    Array.isArray(history) && history.every((pair) => Array.isArray(pair) && pair.length === 2);
  return [
    ...(blank(input) || typeof input === 'string' ? [] : [notText(inputKey, input)]),
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

/** What a field beside the words says, and its name. */
interface Beside {
  readonly fields: Fields;
  readonly used: readonly string[];
}

const nothing: Beside = { fields: {}, used: [] };

function systemOf(fields: Fields): Beside {
  const key = first(fields, systemKeys);
  if (key === undefined || blank(fields[key])) return nothing;
  return { fields: { role: 'system', content: fields[key] }, used: [key] };
}

function reasoningOf(fields: Fields): Beside {
  const key = first(fields, reasoningNames);
  return key === undefined || blank(fields[key])
    ? nothing
    : { fields: { [key]: fields[key] }, used: [key] };
}

// ---- conversations

function readConversation(fields: Fields, key: string): Read | Refused {
  const list = fields[key];
  if (blank(list)) return fault(`"${key}" has no messages`, 'Delete the sample, or fill it.');
  if (!Array.isArray(list))
    return fault(
      `"${key}" is ${kindOf(list)}, not a list of messages`,
      'Write [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}].',
    );
  const tools = toolsOf(fields);
  const read = conversation(fields, [key], list);
  if ('what' in tools) return { faults: [...('faults' in read ? read.faults : []), tools] };
  if ('faults' in read || tools.list.length === 0) return read;
  return {
    ...read,
    content: { ...read.content, tools: tools.list },
    used: [...read.used, ...tools.used],
  };
}

type ReadChat = Read & { readonly content: Chat };

/** `fields` may have a system message beside the list. */
function conversation(
  fields: Fields,
  used: readonly string[],
  list: readonly unknown[],
): ReadChat | Refused {
  const system = systemOf(fields);
  const content = readMessages(list, system.used.length === 0 ? undefined : system.fields);
  if ('faults' in content) return content;
  const shareGpt = list.some((message) => isObject(message) && !blank(message['from']));
  const form = shareGpt ? 'ShareGPT conversations' : 'messages';
  return { form, content, used: [...used, ...system.used] };
}

/** Descriptions of tools beside a conversation. */
function toolsOf(fields: Fields): { list: readonly unknown[]; used: readonly string[] } | Fault {
  const key = first(fields, toolKeys);
  const tools = key === undefined ? undefined : fields[key];
  if (key === undefined || blank(tools)) return { list: [], used: [] };
  if (Array.isArray(tools))
    return { list: tools.filter((tool) => !blank(tool)).map(withoutNulls), used: [key] };
  return {
    what: `"${key}" is ${kindOf(tools)}, not a list`,
    fix: 'Write a list of descriptions, or leave it out.',
  };
}
