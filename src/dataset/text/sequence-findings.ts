// What is said of a sample that becomes tokens: what is lost, cut off or not trained.
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { unknownId, unknownName } from '../../tokenizer/unknown-id.ts';
import type { Finding } from './findings.ts';
import { reasonOf } from '../../util/caught.ts';
import { plural } from '../../util/plural.ts';
import type { TextSample } from './sample.ts';
import { type ChatTemplate, noTemplate } from '../../tokenizer/chat.ts';

/** Tokens [start, end) of one answer. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A sample before it is cut. */
export interface Written {
  readonly ids: Int32Array;
  readonly spans: readonly Span[];
}

/** What is asked of a sample that is longer than the window. */
interface Limit {
  readonly maxSeqLength: number;
  readonly excessLength?: 'truncate' | 'drop' | 'raise';
}

/**
 * An answer ends with a special token and at most this many tokens after it, such as a line break.
 */
const AFTER_END = 4;

export function endFindings(
  { where }: TextSample,
  { ids, spans }: Written,
  { specialIds, endIds }: TextTokenizer,
): Finding[] {
  const ends = new Set([...specialIds, ...endIds]);
  const without = spans.filter(
    ({ start, end }) =>
      !ids.subarray(Math.max(start, end - 1 - AFTER_END), end).some((id) => ends.has(id)),
  );
  if (without.length === 0) return [];
  return [
    {
      kind: 'no end token',
      severity: 'warning',
      where,
      what: 'no token after the answer ends it: the model would not learn to stop',
      fix: 'Choose a chat_template whose end token is one token of this tokenizer, such as plain or alpaca, which end with its eos_token.',
    },
  ];
}

export function doubleBegin(
  { where }: TextSample,
  ids: Int32Array,
  { bos, specialTokens }: TextTokenizer,
): Finding[] {
  if (bos === undefined || ids[0] !== bos || ids[1] !== bos) return [];
  const what = `begins with ${specialTokens['bos_token']} twice`;
  return [
    {
      kind: 'two begin tokens',
      severity: 'error',
      where,
      what,
      fix: `Take ${specialTokens['bos_token']} from the data; it is added before each sample.`,
    },
  ];
}

/** A token that the model has no embedding for, if there is one. */
export function withoutEmbedding(
  { where, content }: { readonly where: string; readonly content: unknown },
  ids: Int32Array,
  tokenizer: TextTokenizer,
): Finding[] {
  const id = unknownId(ids, tokenizer.rows);
  if (id === undefined) return [];
  const token = tokenizer.tokenOf(id);
  const words = JSON.stringify(content);
  const isWritten = token !== undefined && words.includes(JSON.stringify(token).slice(1, -1));
  return [
    {
      kind: 'no embedding',
      severity: 'error',
      where,
      what: `holds ${unknownName(id, tokenizer)}`,
      fix: isWritten
        ? 'Remove it from the sample, or use the base model that was trained with it.'
        : tokenFix(id, tokenizer),
    },
  ];
}

/** The file to correct where it is not the sample. */
function tokenFix(id: number, { bos, eos }: TextTokenizer): string {
  const key = id === eos ? 'eos_token' : id === bos ? 'bos_token' : undefined;
  return key === undefined
    ? 'Put the tokenizer files of this very model into its folder, or choose a chat_template without this token.'
    : `Correct ${key} in the model's tokenizer_config.json, or use the base model that was trained with it.`;
}

export function withoutTemplate({ where }: TextSample, tokenizer: TextTokenizer): Finding {
  const { what, fix } = noTemplate(tokenizer);
  return {
    kind: 'template fails',
    severity: 'error',
    where,
    what: `is a conversation, but ${what}`,
    fix,
  };
}

/** Where no template is the default, a question is trained as a text: that may not be meant. */
export function asPlainText({ where }: TextSample, tokenizer: TextTokenizer): Finding[] {
  if ((tokenizer.otherTemplates ?? []).length === 0) return [];
  const { what, fix } = noTemplate(tokenizer);
  return [
    {
      kind: 'no default template',
      severity: 'warning',
      where,
      what: `is trained as a text and what follows it, without a chat template: ${what}`,
      fix,
    },
  ];
}

export const tooMuch = ({ where }: TextSample): Finding => ({
  kind: 'nothing trained',
  severity: 'error',
  where,
  what: 'is too long for this tokenizer',
  fix: 'Divide it: in a .txt file, two empty lines begin another sample.',
});

export function refused({ where }: TextSample, { name }: ChatTemplate, error: unknown): Finding {
  const reason = reasonOf(error);
  return {
    kind: 'template fails',
    severity: 'error',
    where,
    what: `the chat template (${name}) refuses it: ${reason}`,
    fix: 'Change the sample, or choose another chat_template.',
  };
}

export const ignoresAnswers = (
  { where }: TextSample,
  { name }: ChatTemplate,
  index: number,
): Finding => ({
  kind: 'template ignores answers',
  severity: 'error',
  where,
  what: `the chat template (${name}) does not write the assistant's answer (message ${index + 1})`,
  fix: 'Choose a chat_template with a turn of the assistant, for example chatml.',
});

export const unusualTurns = (where: string, unusual: string): Finding => ({
  kind: 'unusual turns',
  severity: 'warning',
  where,
  detail: unusual,
  what: 'user and assistant do not take turns as usual: it is trained as the chat template writes it',
});

export const toolsUnwritten = (where: string, { name }: ChatTemplate): Finding => ({
  kind: 'tools not written',
  severity: 'warning',
  where,
  what: `the chat template (${name}) does not write the tools given beside the conversation`,
  fix: 'Choose a chat_template that knows tools, or write them into the system message.',
});

/** `asked`: what generation begins an answer with, and the sample does not. */
export const askedOtherwise = (
  { where }: TextSample,
  { name, reasoning }: ChatTemplate,
  asked: string,
): Finding => ({
  kind: 'asked otherwise',
  severity: 'warning',
  where,
  what: `the chat template (${name}) begins answers with ${JSON.stringify(asked)} when the model is asked, and not in the sample: the model is trained on other texts than it will read`,
  fix:
    reasoning === undefined
      ? 'Choose another chat_template, or begin the answers with it.'
      : `Where it opens a thought, give the answers "${reasoning}", or choose another chat_template.`,
});

export const systemAsAnswer = (
  { where }: TextSample,
  { name }: ChatTemplate,
  index: number,
): Finding => ({
  kind: 'template fails',
  severity: 'error',
  where,
  what: `the chat template (${name}) writes the system message (message ${index + 1}) as an answer`,
  fix: 'Move it to the beginning, or choose another chat_template.',
});

export const ignoresSystem = ({ where }: TextSample, { name }: ChatTemplate): Finding => ({
  kind: 'template ignores the system message',
  severity: 'warning',
  where,
  what: `the chat template (${name}) does not write the system message: it is not trained`,
  fix: 'Write it into the question, or choose another chat_template.',
});

export function nothingTrained(
  { where, content }: TextSample,
  length: number,
  limit: number,
): Finding {
  if (length < 2)
    return {
      kind: 'nothing trained',
      severity: 'error',
      where,
      what: `is ${length === 0 ? 'no token at all' : 'a single token, with nothing before it'}`,
      fix: 'Delete the sample, or write more.',
    };
  const marked = content.kind === 'chat' && content.messages.some(({ train }) => train === false);
  const reason = marked
    ? 'Every answer is marked train: false; delete the sample, or train one.'
    : 'The tokenizer gives no tokens for its answer; write another one.';
  if (length <= limit)
    return {
      kind: 'nothing trained',
      severity: 'error',
      where,
      what: 'none of its tokens is trained',
      fix: reason,
    };
  return {
    kind: 'nothing trained',
    severity: 'error',
    where,
    detail: plural(length, 'token'),
    what: `its answer begins after the first ${limit} tokens (max_seq_length): nothing of it would be trained`,
    fix: 'Raise max_seq_length, shorten the question, or set excess_length: drop.',
  };
}

export function outside(
  { where }: TextSample,
  length: number,
  { maxSeqLength, excessLength }: Limit,
): Finding {
  const [detail, what] = [plural(length, 'token'), `is longer than max_seq_length ${maxSeqLength}`];
  if (excessLength === 'drop')
    return { kind: 'dropped', severity: 'warning', where, detail, what: `${what}: it is left out` };
  return {
    kind: 'dropped',
    severity: 'error',
    where,
    detail,
    what,
    fix: 'Raise max_seq_length, shorten the sample, or set excess_length: truncate.',
  };
}

export function cutOff(
  { where }: TextSample,
  { ids, spans }: Written,
  kept: Written,
  limit: number,
): Finding {
  const whole =
    kept.spans.length < spans.length
      ? kept.spans.length === 1
        ? `only the first of its ${spans.length} answers fits`
        : `only the first ${kept.spans.length} of its ${spans.length} answers fit`
      : 'its answer is cut off, and the model does not learn its end';
  return {
    kind: 'cut off',
    severity: 'warning',
    where,
    detail: plural(ids.length, 'token'),
    what: `is longer than max_seq_length ${limit}: ${whole}`,
    fix: 'Raise max_seq_length, or shorten the sample.',
  };
}
