// The messages of a conversation, one after the other: roles, words, and which answers are trained.
import { isObject } from '../../util/is-object.ts';
import { blank, type Fault, type Fields, filled, first, kindOf, parsedList } from './fields.ts';
import { quoted } from './missing-fields.ts';
import type { SampleMessage, TextContent } from './sample.ts';

export type Chat = Extract<TextContent, { kind: 'chat' }>;

const roles: ReadonlyMap<string, SampleMessage['role']> = new Map([
  ...['system', 'developer'].map((name) => [name, 'system'] as const),
  ...['user', 'human', 'prompter'].map((name) => [name, 'user'] as const),
  ...['assistant', 'gpt', 'chatgpt', 'bing', 'bot', 'model'].map(
    (name) => [name, 'assistant'] as const,
  ),
]);

/**
 * An empty system message stays: it is not the same as none, for which many templates have a prompt
 * of their own; one that is null is none, and so is a message of which every field is empty.
 * `system`: what stands beside the list; it is not counted in messages.
 */
export function readMessages(
  list: readonly unknown[],
  system?: Fields,
): Chat | { readonly faults: readonly Fault[] } {
  const read = list.flatMap((message, i) =>
    blank(message) || isNoSystem(message) ? [] : [readMessage(message, `message ${i + 1}`)],
  );
  const before = system === undefined ? [] : [readMessage(system, 'the system message')];
  const all = sameMessage(before[0], read[0]) ? read : [...before, ...read];
  const faults = all.flatMap((message) => ('what' in message ? [message] : []));
  const messages = all.flatMap((message) => ('what' in message ? [] : [message]));
  if (faults.length > 0) return { faults };
  if (!messages.some(({ role }) => role === 'assistant'))
    return {
      faults: [
        { what: 'has no answer of the assistant', fix: 'Add the answer, or delete the sample.' },
      ],
    };
  const unusual = unusualOrder(messages);
  return { kind: 'chat', messages, ...(unusual !== undefined && { unusual }) };
}

type Message = SampleMessage | Fault;

/** A system message may stand beside the list and in it. */
const sameMessage = (one: Message | undefined, other: Message | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

const [roleKeys, contentKeys] = [
  ['role', 'from'],
  ['content', 'value'],
];

function isNoSystem(message: unknown): boolean {
  if (!isObject(message)) return false;
  const { role, words } = said(message);
  return role === 'system' && words === null;
}

interface Said {
  readonly role: SampleMessage['role'] | undefined;
  readonly words: unknown;
  /** What holds something beside them. */
  readonly rest: Fields;
}

/** Of two spellings that say the same, neither is left over. */
function said(message: Fields): Said {
  const [roleKey, wordsKey] = [first(message, roleKeys), first(message, contentKeys)];
  const role = roleOf(message[roleKey ?? '']);
  const words = message[wordsKey ?? ''];
  const rest = Object.entries(filled(message)).filter(
    ([key, value]) =>
      key !== roleKey &&
      key !== wordsKey &&
      !(roleKeys.includes(key) && roleOf(value) === role) &&
      !(contentKeys.includes(key) && value === words),
  );
  return { role, words, rest: Object.fromEntries(rest) };
}

const roleOf = (name: unknown): SampleMessage['role'] | undefined =>
  typeof name === 'string' ? roles.get(name.trim().toLowerCase()) : undefined;

function readMessage(message: unknown, name: string): Message {
  if (!isObject(message))
    return {
      what: `${name} is ${kindOf(message)}, not an object`,
      fix: 'Write {"role": "user", "content": "…"}.',
    };
  const { role, words, rest } = said(message);
  if (role === undefined) return roleFault(message, name);
  const fault = toolFault(rest, `${name} (${role})`);
  if (fault !== undefined) return fault;
  if (words === undefined) return withoutContent(rest, `${name} (${role})`);
  const content = plainContent(words);
  if ('what' in content) return { ...content, what: `${name} (${role}): ${content.what}` };
  if (role !== 'system' && blank(content.text))
    return { what: `${name} (${role}) is empty`, fix: 'Write its text, or delete the sample.' };
  const train = trainedOf(rest);
  if (train === undefined) return untrainable(rest, `${name} (${role})`);
  const {
    train: _train,
    weight: _weight,
    tool_calls: _calls,
    function_call: _call,
    ...others
  } = rest;
  const fields = { ...others, ...content.fields };
  return {
    role,
    content: content.text,
    ...(Object.keys(fields).length > 0 && { fields }),
    ...(!train && { train }),
  };
}

const form =
  'Write each message as {"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}.';

function roleFault(message: Fields, name: string): Fault {
  const key = first(message, roleKeys);
  if (key !== undefined && !blank(message[key])) return unknownRole(message[key], name);
  const fields = Object.keys(filled(message));
  const speaker = fields.find((field) => roleOf(message[field]) !== undefined);
  return {
    what: `${name} has no "role"${fields.length === 0 ? '' : `, but ${quoted(fields)}`}`,
    fix: speaker === undefined ? form : `Rename "${speaker}" to "role".`,
  };
}

const toolRole = /tool|function|observation|ipython|call/i;

function unknownRole(role: unknown, name: string): Fault {
  const tools = toolRole.test(String(role));
  return {
    what: `${name} has the role ${JSON.stringify(role)}`,
    fix: tools
      ? 'Calls of tools and their results are not supported; delete the sample.'
      : 'Roles are system, user and assistant (in ShareGPT also human and gpt).',
  };
}

function withoutContent(rest: Fields, name: string): Fault {
  const texts = Object.keys(rest).filter((field) => typeof rest[field] === 'string');
  return {
    what: `${name} has no "content"${texts.length === 0 ? '' : `, but ${quoted(texts)}`}`,
    fix: texts.length === 1 ? `Rename "${texts[0]}" to "content".` : 'Add its text as "content".',
  };
}

/** In a table the calls may be JSON in a text: `"[]"` calls nothing. */
function toolFault({ tool_calls: calls, function_call: call }: Fields, name: string) {
  const given = [calls, call].map((one) => (typeof one === 'string' ? parsedList(one) : one));
  if (given.every(blank)) return undefined;
  return {
    what: `${name} calls a tool`,
    fix: 'Calls of tools are not supported; delete the sample.',
  };
}

function untrainable(message: Fields, name: string): Fault {
  const [key, expected] =
    'train' in message && typeof message['train'] !== 'boolean'
      ? ['train', 'true or false']
      : ['weight', '0 or 1'];
  return {
    what: `${name}: "${key}" is ${JSON.stringify(message[key])}, where ${expected} is expected`,
    fix: 'Write it without quotes, or leave it out.',
  };
}

/** `train: false`, or OpenAI's `weight: 0`; undefined for anything else than true or false. */
function trainedOf({ train = true, weight = 1 }: Fields): boolean | undefined {
  return typeof train === 'boolean' && (weight === 0 || weight === 1)
    ? train && weight === 1
    : undefined;
}

// ---- words in parts

interface Words {
  readonly text: string;
  readonly fields: Fields;
}

const textTypes = ['text', 'input_text', 'output_text'];
const thoughtTypes = ['thinking', 'reasoning'];

/** Text, or a list of parts that are text; parts with thoughts become a field of the message. */
function plainContent(content: unknown): Words | Fault {
  const fix = 'Pictures and other media are not supported; write text.';
  if (content === null) return { text: '', fields: {} };
  if (typeof content === 'string') return { text: content, fields: {} };
  if (!Array.isArray(content)) return { what: `its content is ${kindOf(content)}, not text`, fix };
  const parts = content.filter((part) => !blank(part)).map(partOf);
  const wrong = parts.find(({ other }) => other !== undefined)?.other;
  if (wrong !== undefined)
    return { what: `its content is a list with a part that is ${wrong}, not text`, fix };
  const thought = parts.map((part) => part.thought ?? '').join('');
  return {
    text: parts.map((part) => part.text ?? '').join(''),
    fields: thought === '' ? {} : { reasoning_content: thought },
  };
}

interface Part {
  readonly text?: string;
  readonly thought?: string;
  /** What it is in place of text. */
  readonly other?: string;
}

function partOf(part: unknown): Part {
  if (typeof part === 'string') return { text: part };
  if (!isObject(part)) return { other: kindOf(part) };
  const type = String(part['type']);
  if (textTypes.includes(type)) return textIn(part, ['text'], 'text');
  return thoughtTypes.includes(type)
    ? textIn(part, ['thinking', 'reasoning', 'text'], 'thought')
    : { other: `of type ${JSON.stringify(part['type'])}` };
}

function textIn(part: Fields, keys: readonly string[], as: 'text' | 'thought'): Part {
  const value = part[first(part, keys) ?? ''] ?? '';
  return typeof value === 'string' ? { [as]: value } : { other: kindOf(value) };
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
