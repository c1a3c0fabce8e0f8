// A sample as tokens of which some are trained: the answers by the prefix-length method, cut to the
// model's window.
import { alteredText } from './altered-answers.ts';
import type { Finding } from './findings.ts';
import type { ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { SampleMessage, TextSample } from './sample.ts';
import {
  askedOtherwise,
  cutOff,
  doubleBegin,
  endFindings,
  ignoresAnswers,
  ignoresSystem,
  nothingTrained,
  outside,
  refused,
  systemAsAnswer,
  tooMuch,
  toolsUnwritten,
  unusualTurns,
  withoutEmbedding,
  asPlainText,
  withoutTemplate,
  type Span,
  type Written,
} from './sequence-findings.ts';

/** Tokens in a row that a model reads at once. */
export interface Sequence {
  readonly sample: TextSample;
  readonly ids: Int32Array;
  /** 1 where the loss counts how well the token is predicted; the first never is. */
  readonly trained: Uint8Array;
}

export interface SequenceOptions {
  readonly tokenizer: TextTokenizer;
  /** How conversations are written; without it only texts and prompts with completions can be. */
  readonly template?: ChatTemplate;
  readonly maxSeqLength: number;
  /** `answers` (default): the loss counts what the assistant says, its end token included. */
  readonly trainOn?: 'answers' | 'all';
  /**
   * What happens to a conversation or completion longer than the window. Default `truncate`: whole
   * answers are kept where one fits, else the end is cut.
   */
  readonly excessLength?: 'truncate' | 'drop' | 'raise';
}

export interface Sequences {
  readonly sequences: readonly Sequence[];
  readonly findings: readonly Finding[];
}

const nothing: Sequences = { sequences: [], findings: [] };

/**
 * A conversation gives one sequence; where the template writes earlier answers differently from the
 * last (thinking left out), one for each answer, as the model will read them. A text longer than
 * the window gives several, nothing lost.
 */
export function sequencesOf(sample: TextSample, options: SequenceOptions): Sequences {
  const { content } = sample;
  try {
    return embeddable(written(sample, options), options.tokenizer);
  } catch (error) {
    // Unigram tokenizers pass all tokens as arguments of one call
    if (error instanceof RangeError) return { sequences: [], findings: [tooMuch(sample)] };
    if (content.kind === 'text' || options.template === undefined) throw error;
    return { sequences: [], findings: [refused(sample, options.template, error)] };
  }
}

/** Without the sequences that the model cannot read. */
function embeddable({ sequences, findings }: Sequences, tokenizer: TextTokenizer): Sequences {
  const unknown = sequences.flatMap(({ sample, ids }) => withoutEmbedding(sample, ids, tokenizer));
  return unknown.length === 0
    ? { sequences, findings }
    : { sequences: [], findings: [...unknown.slice(0, 1), ...findings] };
}

function written(sample: TextSample, options: SequenceOptions): Sequences {
  const { content } = sample;
  if (content.kind === 'text') return pieces(sample, content.text, options);
  const messages =
    content.kind === 'chat' ? content.messages : asMessages(content.prompt, content.completion);
  if (content.kind === 'completion' && options.template === undefined)
    return withFindings(
      completed(sample, content.prompt, content.completion, options),
      asPlainText(sample, options.tokenizer),
    );
  return options.template === undefined
    ? { sequences: [], findings: [withoutTemplate(sample, options.tokenizer)] }
    : told(
        sample,
        options.template,
        conversation(sample, messages, withTools(sample, options.template), options),
      );
}

/** The same template, with the tools that stand beside the conversation. */
function withTools({ content }: TextSample, template: ChatTemplate): ChatTemplate {
  const tools = content.kind === 'chat' ? content.tools : undefined;
  if (tools === undefined) return template;
  return { ...template, render: (messages, ask) => template.render(messages, ask, tools) };
}

/** What is unusual about the sample, and trained all the same. */
function told(sample: TextSample, template: ChatTemplate, found: Sequences): Sequences {
  const { content, where } = sample;
  if (content.kind !== 'chat' || found.sequences.length === 0) return found;
  const { messages, tools, unusual } = content;
  const unwritten =
    tools !== undefined &&
    template.render(messages, false, tools) === template.render(messages, false);
  return withFindings(found, [
    ...(unusual === undefined ? [] : [unusualTurns(where, unusual)]),
    ...(unwritten ? [toolsUnwritten(where, template)] : []),
  ]);
}

const asMessages = (prompt: string, answer: string): SampleMessage[] => [
  { role: 'user', content: prompt },
  { role: 'assistant', content: answer },
];

// ---- texts and completions

function pieces(
  sample: TextSample,
  text: string,
  { tokenizer, maxSeqLength }: SequenceOptions,
): Sequences {
  const ids = ended(tokenizer.encode(text), tokenizer);
  const starts = Array.from(
    { length: Math.ceil(ids.length / maxSeqLength) },
    (_, i) => i * maxSeqLength,
  );
  const parts = starts
    .map((start) => ids.slice(start, start + maxSeqLength))
    .filter((part) => part.length > 1);
  if (parts.length === 0)
    return { sequences: [], findings: [nothingTrained(sample, ids.length, maxSeqLength)] };
  return {
    sequences: parts.map((part) => sequence(sample, part, [{ start: 0, end: part.length }])),
    findings: [
      ...doubleBegin(sample, ids, tokenizer),
      ...alteredText(sample, tokenizer, { words: text, ids, start: 0, end: ids.length }),
    ],
  };
}

function completed(
  sample: TextSample,
  prompt: string,
  answer: string,
  options: SequenceOptions,
): Sequences {
  const { ids, spans } = completion(prompt, answer, options.tokenizer);
  const altered = alteredText(sample, options.tokenizer, { words: answer, ids, ...spans[0] });
  return withFindings(fitted(sample, { ids, spans }, options), altered);
}

const withFindings = (found: Sequences, findings: readonly Finding[]): Sequences => ({
  ...found,
  findings: [...found.findings, ...findings],
});

function completion(prompt: string, answer: string, tokenizer: TextTokenizer): Written {
  const ids = ended(tokenizer.encode(prompt + answer), tokenizer);
  return { ids, spans: [{ start: commonPrefix(tokenizer.encode(prompt), ids), end: ids.length }] };
}

function ended(ids: Int32Array, { eos }: TextTokenizer): Int32Array {
  return eos === undefined || ids.at(-1) === eos ? ids : Int32Array.from([...ids, eos]);
}

// ---- conversations

function conversation(
  sample: TextSample,
  messages: readonly SampleMessage[],
  template: ChatTemplate,
  options: SequenceOptions,
): Sequences {
  const text = template.render(messages, false);
  const answers = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
  const ends = answers.map((i) =>
    i === messages.length - 1 ? text : template.render(messages.slice(0, i + 1), false),
  );
  const unwritten = firstUnwritten(messages, template);
  if (unwritten !== undefined && messages[unwritten].role === 'assistant')
    return { sequences: [], findings: [ignoresAnswers(sample, template, unwritten)] };
  const trained = answers.filter((i) => messages[i].train !== false);
  const asAnswer = answersAreOthers(messages, template);
  if (asAnswer !== undefined)
    return { sequences: [], findings: [systemAsAnswer(sample, template, asAnswer)] };
  const found = ends.every((end) => text.startsWith(end))
    ? answered(sample, messages, { text, answers, ends }, template, options)
    : joined(trained.map((i) => oneAnswer(sample, messages.slice(0, i + 1), template, options)));
  if (trained.length === 0) return { sequences: [], findings: [nothingTrained(sample, 2, 2)] };
  return unwritten === undefined
    ? found
    : { ...found, findings: [...found.findings, ignoresSystem(sample, template)] };
}

interface Rendered {
  readonly text: string;
  /** Positions in the list of messages. */
  readonly answers: readonly number[];
  /** The text to the end of each answer; all begin `text`. */
  readonly ends: readonly string[];
}

/** Cut to the window, with what differs from the words of the answers. */
function answered(
  sample: TextSample,
  messages: readonly SampleMessage[],
  rendered: Rendered,
  template: ChatTemplate,
  options: SequenceOptions,
): Sequences {
  const written = spansOf(messages, rendered, template, options);
  const trained = rendered.answers.filter((i) => messages[i].train !== false);
  const altered = trained.flatMap((i, n) =>
    wordsOf(messages[i], template).flatMap((words) =>
      alteredText(
        sample,
        options.tokenizer,
        { words, ids: written.ids, ...written.spans[n] },
        template.name,
      ),
    ),
  );
  const otherwise = trained.flatMap((i) => {
    const prompt = beforeAnswer(messages, i, rendered.text, template);
    const common = sameCharacters(prompt, rendered.text);
    return common === prompt.length ? [] : [askedOtherwise(sample, template, prompt.slice(common))];
  });
  const findings = [...altered.slice(0, 1), ...otherwise.slice(0, 1)];
  return withFindings(fitted(sample, written, options), findings);
}

/** What an answer says, and what it thinks before, which templates set in lines of its own. */
function wordsOf({ content, fields = {} }: SampleMessage, { reasoning }: ChatTemplate): string[] {
  const thought = reasoning === undefined ? undefined : fields[reasoning];
  return typeof thought === 'string' ? [content, thought.trim()] : [content];
}

function spansOf(
  messages: readonly SampleMessage[],
  { text, answers, ends }: Rendered,
  template: ChatTemplate,
  { tokenizer }: SequenceOptions,
): Written {
  const encode = (part: string): Int32Array => tokenizer.encode(part, { special: false });
  const ids = encode(text);
  const spans = answers.map((i, n): Span => ({
    start: commonPrefix(encode(beforeAnswer(messages, i, text, template)), ids),
    end: ends[n] === text ? ids.length : commonPrefix(encode(ends[n]), ids),
  }));
  return { ids, spans: spans.filter((_, n) => messages[answers[n]].train !== false) };
}

/**
 * What stands before the answer at `index`. Where nobody has asked yet, templates may refuse to ask
 * for an answer: then it ends where another answer would begin to differ.
 */
function beforeAnswer(
  messages: readonly SampleMessage[],
  index: number,
  text: string,
  template: ChatTemplate,
): string {
  const asked = messages.slice(0, index);
  if (asked.some(({ role }) => role === 'user')) return untilAnswer(asked, text, template);
  const { content, fields = {}, ...answer } = messages[index];
  const other = (words: string): string => (words.trimStart().startsWith('x') ? 'y' : 'x') + words;
  const changed = messages.with(index, {
    ...answer,
    content: other(content),
    fields: Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [
        name,
        typeof value === 'string' ? other(value) : value,
      ]),
    ),
  });
  return text.slice(0, sameCharacters(template.render(changed, false), text));
}

/**
 * What the model reads before it answers. A template may write the last question otherwise once it
 * is answered (with the system message, or without): then `text` to the end of the question and of
 * what follows it.
 */
function untilAnswer(
  asked: readonly SampleMessage[],
  text: string,
  template: ChatTemplate,
): string {
  const prompt = template.render(asked, true);
  const question = asked[asked.length - 1]?.content.trim() ?? '';
  const common = sameCharacters(prompt, text);
  const at = prompt.lastIndexOf(question);
  if (
    question === '' ||
    at < common - question.length ||
    common === prompt.length ||
    !prompt.slice(common).includes(question)
  )
    return prompt;
  const found = text.indexOf(prompt.slice(at), common);
  return found < 0 ? prompt : text.slice(0, found + prompt.length - at);
}

function sameCharacters(a: string, b: string): number {
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return same;
}

/**
 * The first answer, or the system message, in whose place another text changes nothing: it stands
 * nowhere.
 */
function firstUnwritten(
  messages: readonly SampleMessage[],
  template: ChatTemplate,
): number | undefined {
  const other = (index: number): string => `31.41.${index}.59`;
  const replaced = messages.map((message, i) =>
    message.role === 'user' ? message : { ...message, content: other(i) },
  );
  const text = template.render(replaced, false);
  const unwritten = (i: number): boolean =>
    messages[i].role !== 'user' &&
    !text.includes(other(i)) &&
    !template.render(replaced.slice(0, i === 0 ? 3 : i + 1), false).includes(other(i));
  const found = messages.flatMap((_, i) => (unwritten(i) ? [i] : []));
  return found.find((i) => messages[i].role === 'assistant') ?? found[0];
}

/** A system message after the beginning that the template writes as it writes an answer. */
function answersAreOthers(
  messages: readonly SampleMessage[],
  template: ChatTemplate,
): number | undefined {
  const systems = messages.flatMap(({ role }, i) => (role === 'system' && i > 0 ? [i] : []));
  return systems.find((i) => {
    const asAnswer = messages.with(i, { ...messages[i], role: 'assistant' });
    return template.render(asAnswer, false) === template.render(messages, false);
  });
}

/** Only the last answer is trained; the earlier ones are read as the template writes them now. */
function oneAnswer(
  sample: TextSample,
  messages: readonly SampleMessage[],
  template: ChatTemplate,
  options: SequenceOptions,
): Sequences {
  const text = template.render(messages, false);
  const last = messages.length - 1;
  return answered(
    sample,
    messages.with(last, { ...messages[last], train: true }),
    { text, answers: [last], ends: [text] },
    template,
    options,
  );
}

const joined = (parts: readonly Sequences[]): Sequences => ({
  sequences: parts.flatMap(({ sequences }) => sequences),
  findings: parts.flatMap(({ findings }) => findings),
});

/**
 * Number of tokens in which both begin alike. A token that spans the border of question and answer
 * belongs to the answer.
 */
function commonPrefix(prefix: Int32Array, ids: Int32Array): number {
  const end = prefix.findIndex((id, i) => id !== ids[i]);
  return end < 0 ? prefix.length : end;
}

// ---- cutting

function fitted(sample: TextSample, written: Written, options: SequenceOptions): Sequences {
  const { tokenizer, maxSeqLength, excessLength = 'truncate' } = options;
  const doubled = doubleBegin(sample, written.ids, tokenizer);
  const tooLong = written.ids.length > maxSeqLength;
  if (tooLong && excessLength !== 'truncate')
    return { sequences: [], findings: [...doubled, outside(sample, written.ids.length, options)] };
  const kept = tooLong ? cut(written, maxSeqLength) : written;
  const all = options.trainOn === 'all' ? [{ start: 0, end: kept.ids.length }] : kept.spans;
  const result = sequence(sample, kept.ids, all);
  if (!result.trained.includes(1))
    return {
      ...nothing,
      findings: [...doubled, nothingTrained(sample, written.ids.length, maxSeqLength)],
    };
  const findings = tooLong
    ? [cutOff(sample, written, kept, maxSeqLength)]
    : endFindings(sample, kept, tokenizer);
  return { sequences: [result], findings: [...doubled, ...findings] };
}

/** Whole answers where at least one fits. */
function cut({ ids, spans }: Written, limit: number): Written {
  const whole = spans.filter(({ end }) => end <= limit);
  const end = whole.at(-1)?.end ?? limit;
  const kept =
    whole.length > 0
      ? whole
      : spans.map((span) => ({
          start: Math.min(span.start, limit),
          end: Math.min(span.end, limit),
        }));
  return { ids: ids.slice(0, end), spans: kept };
}

function sequence(sample: TextSample, ids: Int32Array, spans: readonly Span[]): Sequence {
  const trained = new Uint8Array(ids.length);
  for (const { start, end } of spans) trained.fill(1, start, end);
  trained[0] = 0;
  return { sample, ids, trained };
}
