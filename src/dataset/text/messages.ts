// The messages of a conversation, one after the other: roles, words, and which answers are trained.
import { isObject } from '../../util/is-object.ts';
import { blank, type Fault, type Fields, first, kindOf } from './fields.ts';
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
 * of their own. `before`: what a field of its own puts before the list; it is not counted in
 * messages.
 */
export function readMessages(
  list: readonly unknown[],
  before: readonly Fields[] = [],
): Chat | { readonly faults: readonly Fault[] } {
  const read = [...before, ...list].map((message, i) =>
    readMessage(message, `message ${i + 1 - before.length}`),
  );
  const faults = read.flatMap((message) => ('what' in message ? [message] : []));
  const messages = read.flatMap((message) => ('what' in message ? [] : [message]));
  if (faults.length > 0) return { faults };
  if (!messages.some(({ role }) => role === 'assistant'))
    return {
      faults: [
        {
          what: 'has no answer of the assistant',
          fix: 'Add the answer, or delete the sample.',
        },
      ],
    };
  const unusual = unusualOrder(messages);
  return { kind: 'chat', messages, ...(unusual !== undefined && { unusual }) };
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
