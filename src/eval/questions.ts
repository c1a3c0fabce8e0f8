// A question to a model and what its answer is judged by, read from one record of a file.
import { distance } from 'fastest-levenshtein';
import { blank, type Fault, type Fields, first } from '../dataset/text/fields.ts';
import { interpret } from '../dataset/text/forms.ts';
import { isAbout } from '../dataset/text/field-names.ts';
import { isObject } from '../util/is-object.ts';
import { own } from '../util/own.ts';
import { endsWithAnswer, type SampleMessage, type TextContent } from '../dataset/text/sample.ts';
import { find, fold } from './fold.ts';

/**
 * What the model reads before it answers; `text` asks nothing: only how likely the text is counts.
 */
export type Prompt =
  | { readonly kind: 'chat'; readonly messages: readonly SampleMessage[] }
  | { readonly kind: 'completion'; readonly text: string }
  | { readonly kind: 'text' };

export interface Question {
  /** `file:line` */
  readonly where: string;
  readonly topic?: string;
  readonly prompt: Prompt;
  /** The expected answer; of `text` the text itself. */
  readonly expected?: string;
  /** What the data has beside the words of the answer, such as what the model thinks before it. */
  readonly expectedFields?: Fields;
  /** Each must appear in the answer, in one of its wordings. */
  readonly facts: readonly (readonly string[])[];
  /** None may appear. */
  readonly forbidden: readonly string[];
}

export interface QuestionRecord {
  readonly where: string;
  readonly value: unknown;
  /** In a CSV file a cell holds several facts, divided by semicolons. */
  readonly csv?: boolean;
}

/** What holds for every question of a file. */
export interface FileWide {
  readonly forbidden: readonly string[];
  readonly system?: string;
}

export type ReadQuestion =
  | {
      readonly question: Question;
      readonly warnings: readonly Doubt[];
      /** Fields that hold something and are no part of the question. */
      readonly unread: Fields;
    }
  | { readonly faults: readonly Fault[] };

const ownKeys = ['facts', 'forbidden', 'topic', 'expected'] as const;
const isOwn = (key: string): boolean => ownKeys.some((own) => own === key);
const otherNames: Readonly<Record<string, string>> = {
  required_facts: 'facts',
  forbidden_phrases: 'forbidden',
  expected_answer: 'expected',
  category: 'topic',
};
const answerKeys = ['completion', 'response', 'answer', 'output'];
const questionKeys = ['prompt', 'question', 'query', 'instruction'];
const conversationKeys = ['messages', 'conversations', 'conversation', 'dialog', 'dialogue'];
/** Fields that data sets have and that say nothing about the answer. */
const idleKeys = [
  'id',
  'source',
  'input',
  'context',
  'system',
  'history',
  'text',
  'content',
  'note',
];
const known: readonly string[] = [
  ...ownKeys,
  ...answerKeys,
  ...questionKeys,
  ...conversationKeys,
  ...idleKeys,
];
/** Stands where a question has no expected answer; the forms of the data all want one. */
const placeholder = '…';

export function readQuestion(
  { where, value, csv = false }: QuestionRecord,
  wide: FileWide,
): ReadQuestion {
  if (!isObject(value)) return interpretFaults(value);
  const fields = fieldsOf(value);
  const misspelt = Object.keys(fields).flatMap(misspelling);
  const facts = phraseLists(fields.facts, 'facts', csv);
  const forbidden = phraseLists(fields.forbidden, 'forbidden', csv);
  // A misspelt field may be what is missing: said once.
  const content = contentOf(
    fields,
    misspelt.length +
      facts.lists.length +
      facts.faults.length +
      forbidden.lists.length +
      wide.forbidden.length >
      0,
  );
  const faults = [
    ...misspelt,
    ...facts.faults,
    ...forbidden.faults,
    ...('faults' in content ? content.faults : []),
  ];
  if ('faults' in content || faults.length > 0) return { faults };
  const phrases = [...new Set([...wide.forbidden, ...forbidden.lists.flat()])];
  const question: Question = {
    where,
    ...topicOf(fields),
    ...withSystem(promptOf(content), wide.system),
    facts: facts.lists,
    forbidden: phrases,
  };
  const contradictions = contradictionsOf(question);
  return contradictions.length > 0
    ? { faults: contradictions }
    : { question, warnings: doubts(question), unread: content.unread };
}

/** By the names that they have here; our own stay where they are empty, to be named. */
const fieldsOf = (value: Fields): Fields =>
  Object.fromEntries(
    Object.entries(value)
      .map(([key, one]) => [own(otherNames, key) ?? key, one] as const)
      .filter(([key, one]) => isOwn(key) || !blank(one)),
  );

const topicOf = ({ topic }: Fields): { topic?: string } =>
  typeof topic === 'string' && topic.trim() !== '' ? { topic } : {};

function interpretFaults(value: unknown): { faults: readonly Fault[] } {
  const read = interpret(value);
  return 'faults' in read ? read : { faults: [] };
}

/**
 * A name that is none, but nearly one: `fact`, `forbiden`. Others are the data's own and mean
 * nothing here: `uid` is no `id` that was misspelt.
 */
function misspelling(key: string): Fault[] {
  const meant = known.find(
    (name) => name !== key && distance(name, key.toLowerCase()) <= (name.length > 5 ? 2 : 1),
  );
  return meant === undefined || known.includes(key) || isAbout(key)
    ? []
    : [{ what: `has an unknown field "${key}"`, fix: `Did you mean "${meant}"?` }];
}

// ---- facts and forbidden phrases

/** A list of phrases; in place of a phrase a list of wordings, one of which is enough. */
export function phraseLists(
  value: unknown,
  name: string,
  csv = false,
): { lists: string[][]; faults: Fault[] } {
  if (value === undefined || value === null || value === '') return { lists: [], faults: [] };
  const list =
    typeof value === 'string'
      ? csv
        ? cells(value)
        : [value]
      : typeof value === 'number'
        ? [value]
        : value;
  if (!Array.isArray(list))
    return {
      lists: [],
      faults: [
        {
          what: `"${name}" is ${kindOf(list)}, not a list of phrases`,
          fix: `Write ${name}: ["first", "second"].`,
        },
      ],
    };
  const lists = list.map((one: unknown) => (Array.isArray(one) ? one : [one]).map(phrase));
  const wrong = lists.flatMap((ways, i) =>
    ways.length > 0 && ways.every((way) => way !== undefined && fold(way).text !== '') ? [] : [i],
  );
  const faults = wrong.map((i): Fault => ({
    what: `"${name}" number ${i + 1} is ${kindOf(list[i])}, not a phrase`,
    fix: 'Write text in quotes, or a list of wordings of which one is enough.',
  }));
  return { lists: lists.map((ways) => ways.filter((way) => way !== undefined)), faults };
}

/** YAML reads 24 as a number. */
const phrase = (value: unknown): string | undefined =>
  typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : undefined;

function cells(text: string): unknown {
  if (text.trimStart().startsWith('[')) {
    try {
      return JSON.parse(text);
    } catch {
      // no JSON: a phrase that begins with a bracket
    }
  }
  return text.split(/[;；]/).filter((part) => part.trim() !== '');
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'empty';
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty list' : 'a list with something else in it';
  return typeof value === 'object'
    ? 'an object (key: value)'
    : typeof value === 'string'
      ? value.trim() === ''
        ? 'empty'
        : `"${value}"`
      : String(value);
}

// ---- the question and its answer

interface Content {
  readonly content: TextContent;
  /** False where a placeholder stands for the answer. */
  readonly answered: boolean;
  readonly unread: Fields;
}

/** The record's content; `checked`: it may come without an answer. */
function contentOf(fields: Fields, checked: boolean): Content | { faults: readonly Fault[] } {
  const { facts: _facts, forbidden: _forbidden, topic: _topic, expected, ...rest } = fields;
  const answer = [expected, ...answerKeys.map((key) => rest[key])].find((one) => !blank(one));
  const record = withAnswer(rest, answer);
  const answered = answer !== undefined || record === rest;
  if (!answered && !checked)
    return {
      faults: [
        {
          what: 'has no expected answer, no facts and nothing forbidden: there is nothing to judge an answer by',
          fix: 'Add "answer", or "facts".',
        },
      ],
    };
  const read = interpret(record);
  if ('faults' in read) return read;
  const beside = record === rest && !blank(expected) ? { expected } : {};
  return endsWithAnswer(read.content)
    ? { content: read.content, answered, unread: { ...read.unread, ...beside } }
    : { faults: [{ what: 'ends without a question', fix: 'End it with a message of the user.' }] };
}

/**
 * The record with its answer, or the placeholder, where the forms of the data have it; the record
 * itself where it holds its answer already.
 */
function withAnswer(fields: Fields, answer: unknown): Fields {
  const bare = Object.fromEntries(
    Object.entries(fields).filter(([key]) => !answerKeys.includes(key)),
  );
  const conversation = conversationKeys.find((key) => key in bare);
  const messages = conversation === undefined ? undefined : bare[conversation];
  if (conversation !== undefined)
    return endsWithQuestion(messages)
      ? {
          ...bare,
          [conversation]: [...messages, { role: 'assistant', content: answer ?? placeholder }],
        }
      : fields;
  if (!questionKeys.some((key) => key in bare)) return fields;
  const absent = Array.isArray(bare['prompt'])
    ? [{ role: 'assistant', content: placeholder }]
    : placeholder;
  return { ...bare, ['instruction' in bare ? 'output' : 'completion']: answer ?? absent };
}

function endsWithQuestion(messages: unknown): messages is readonly unknown[] {
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  return (
    isObject(last) &&
    ['user', 'human', 'prompter'].includes(
      String(last[first(last, ['role', 'from']) ?? '']).toLowerCase(),
    )
  );
}

/** What a message has beside its words, as an expected answer has it. */
export const expectedFields = ({ fields }: SampleMessage): Pick<Question, 'expectedFields'> =>
  fields === undefined ? {} : { expectedFields: fields };

function promptOf({
  content,
  answered,
}: Content): Pick<Question, 'prompt' | 'expected' | 'expectedFields'> {
  if (content.kind === 'text') return { prompt: { kind: 'text' }, expected: content.text };
  if (content.kind === 'completion')
    return {
      prompt: { kind: 'completion', text: content.prompt },
      ...(answered ? { expected: ended(content.completion) } : {}),
    };
  const last = content.messages[content.messages.length - 1];
  return {
    prompt: { kind: 'chat', messages: content.messages.slice(0, -1) },
    ...(answered && { expected: ended(last.content), ...expectedFields(last) }),
  };
}

/** Without the line break at the end of a YAML block. */
const ended = (answer: string): string => answer.replace(/\r?\n$/, '');

/** The file's system message, where the question has none of its own. */
function withSystem<T extends Pick<Question, 'prompt'>>(asked: T, system: string | undefined): T {
  if (system === undefined || asked.prompt.kind === 'text') return asked;
  const messages: readonly SampleMessage[] =
    asked.prompt.kind === 'chat'
      ? asked.prompt.messages
      : [{ role: 'user', content: asked.prompt.text }];
  return messages[0].role === 'system'
    ? asked
    : {
        ...asked,
        prompt: { kind: 'chat', messages: [{ role: 'system', content: system }, ...messages] },
      };
}

// ---- what cannot be meant

function contradictionsOf({ prompt, facts, forbidden }: Question): Fault[] {
  if (prompt.kind === 'text' && facts.length > 0)
    return [
      {
        what: 'has facts, but asks no question',
        fix: 'Write "question" and "answer" in place of "text".',
      },
    ];
  const both = forbidden.filter((phrase) =>
    facts.some((ways) => ways.every((way) => find(fold(way), phrase).length > 0)),
  );
  return both.map((phrase) => ({
    what: `"${phrase}" is forbidden, but a required fact contains it`,
    fix: 'Remove it from one of the two.',
  }));
}

/** What may be a mistake in a question. */
interface Doubt {
  readonly what: string;
  readonly detail: string;
}

function doubts({ expected, facts, forbidden, prompt }: Question): Doubt[] {
  if (expected === undefined || prompt.kind === 'text') return [];
  const folded = fold(expected);
  const has = (phrase: string): boolean => find(folded, phrase).length > 0;
  const missing = facts.filter((ways) => !ways.some(has)).map(([first]) => `"${first}"`);
  const present = forbidden.filter(has).map((phrase) => `"${phrase}"`);
  return [
    ...missing.map((detail) => ({
      what: 'its own expected answer does not contain this fact',
      detail,
    })),
    ...present.map((detail) => ({
      what: 'its own expected answer contains this forbidden phrase',
      detail,
    })),
  ];
}

/** What was asked, for people: the last message, or the text to go on. */
export function askedText({ prompt, expected = '' }: Question): string {
  if (prompt.kind === 'text') return expected;
  return prompt.kind === 'completion'
    ? prompt.text
    : prompt.messages[prompt.messages.length - 1].content;
}
