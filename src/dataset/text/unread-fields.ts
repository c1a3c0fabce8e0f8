// Fields of the data that train nothing: those of records that no form has, and those of messages
// that the chat template does not write.
import type { Problem } from '../../errors.ts';
import { type ChatTemplate, reasoningNames } from '../../tokenizer/chat.ts';
import { type FoundProblem, problemsByKind } from '../../util/problems-by-kind.ts';
import { plural } from '../../util/plural.ts';
import type { Fields } from './fields.ts';
import { isAbout, nearField } from './field-names.ts';
import type { SampleMessage, TextSample } from './sample.ts';

// ---- fields of records

/** Of one file: which fields were not read, in how many samples, and where first. */
export class UnreadFields {
  constructor(private readonly purpose: keyof typeof purposes = 'training') {}

  private readonly idle = new Map<string, string[]>();
  private readonly lost = new Map<string, string[]>();

  add(where: string, fields: Fields): void {
    for (const [name, value] of Object.entries(fields)) {
      const aside = typeof value === 'number' || typeof value === 'boolean' || isAbout(name);
      const places = aside ? this.idle : this.lost;
      const found = places.get(name) ?? [];
      places.set(name, found);
      found.push(where);
    }
  }

  /** Those that say something about a sample: in a line, for people; empty without any. */
  notice(): string {
    if (this.idle.size === 0) return '';
    return `; without effect: ${[...this.idle].map(counted(purposes[this.purpose].noun)).join(', ')}`;
  }

  /** Those that may have been meant to be learned. */
  warnings(): FoundProblem[] {
    const rest = [...this.lost];
    const { noun, verb, page } = purposes[this.purpose];
    const count = counted(noun);
    const what = `holds fields that are not read, and not ${verb}: ${rest.map(count).join(', ')}`;
    const [near] = rest.flatMap(([name]) => {
      const meant = nearField(name);
      return meant === undefined || meant === name
        ? []
        : [`Did you mean "${meant}" for "${name}"?`];
    });
    const fix = near ?? `Rename what is to be ${verb} (${page}), or leave it out.`;
    return [...new Set(rest.flatMap(([, places]) => places))].map((where) => ({
      where,
      what,
      fix,
    }));
  }
}

const purposes = {
  training: { noun: 'sample', verb: 'trained', page: 'docs/text-data.md' },
  evaluation: { noun: 'question', verb: 'judged', page: 'docs/eval.md' },
} as const;

const counted =
  (noun: string) =>
  ([name, { length }]: readonly [string, readonly string[]]): string =>
    `"${name}" (${plural(length, noun)})`;

// ---- fields of messages

/** A message with one of its fields. */
interface Occurrence {
  readonly sample: TextSample;
  readonly messages: readonly SampleMessage[];
  readonly index: number;
}

interface MessageField {
  readonly role: string;
  readonly name: string;
  readonly found: Occurrence[];
}

/** So many messages are asked whether the template writes a field. */
const ASKED = 8;

/**
 * One warning with all fields of messages that the template does not write, whatever they hold, and
 * one for thoughts that it reads under another name.
 */
export function unreadMessageFields(
  samples: readonly TextSample[],
  template: ChatTemplate | undefined,
): Problem[] {
  if (template === undefined) return [];
  const fields = messageFields(samples);
  const unread = fields.filter(
    ({ name, found }) => !found.slice(0, ASKED).some((one) => writes(template, one, name)),
  );
  const count = ({ length }: readonly unknown[]): string =>
    samples.length > 1 ? ` (${length})` : '';
  const list = unread.map(({ role, name, found }) => `"${name}" of the ${role}${count(found)}`);
  return problemsByKind([
    ...unread.flatMap(({ found, name }) =>
      found.map(({ sample, index }) => ({
        where: sample.where,
        detail: `message ${index + 1}: "${name}"`,
        what: `the chat template (${template.name}) does not write these fields of messages: ${list.join(', ')}; they are not trained`,
        fix: 'Choose a chat_template that writes them, move their words into "content", or leave them out.',
      })),
    ),
    ...fields
      .filter((field) => !unread.includes(field))
      .flatMap((field) => renamed(field, template)),
  ]);
}

function renamed(
  { name, found }: MessageField,
  { name: by, reasoning }: ChatTemplate,
): FoundProblem[] {
  if (reasoning === undefined || reasoning === name || !isReasoning(name)) return [];
  return found.map(({ sample, index }) => ({
    where: sample.where,
    detail: `message ${index + 1}`,
    what: `"${name}" is trained as "${reasoning}", the name under which the chat template (${by}) reads it`,
  }));
}

const isReasoning = (name: string): boolean => reasoningNames.some((one) => one === name);

function messageFields(samples: readonly TextSample[]): MessageField[] {
  const fields = new Map<string, MessageField>();
  for (const sample of samples) {
    const messages = sample.content.kind === 'chat' ? sample.content.messages : [];
    messages.forEach(({ role, content, fields: own = {} }, index) => {
      for (const [name, value] of Object.entries(own)) {
        if (typeof value === 'string' && content.includes(value)) continue; // nothing is lost
        const key = JSON.stringify([role, name]);
        const field = fields.get(key) ?? { role, name, found: [] };
        fields.set(key, field);
        field.found.push({ sample, messages, index });
      }
    });
  }
  return [...fields.values()];
}

/**
 * Whether the text is another one without the field; a template may write a field of the last
 * message alone. One that renders neither is asked elsewhere.
 */
function writes(template: ChatTemplate, { messages, index }: Occurrence, name: string): boolean {
  return [messages.slice(0, index + 1), messages].some((part) => {
    try {
      return template.render(part, false) !== template.render(without(part, index, name), false);
    } catch {
      return true;
    }
  });
}

function without(
  messages: readonly SampleMessage[],
  index: number,
  name: string,
): readonly SampleMessage[] {
  const { [name]: _, ...fields } = messages[index].fields ?? {};
  return messages.with(index, { ...messages[index], fields });
}
