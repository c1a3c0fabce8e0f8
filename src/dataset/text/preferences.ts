// Samples of preferences: a question with a better and a worse answer. They are not trained; what
// to write of them depends on where the better answer stands.
import { isObject } from '../../util/is-object.ts';
import { blank, type Fault, type Fields, isMessage } from './fields.ts';

const noun = '(response|output|answer|completion|text|message|reply|replie|conversation)s?';
const named = (words: string, endings: string): RegExp =>
  new RegExp(`^((${words})(_?${noun})?|${noun}_(${endings}))$`, 'i');
const better = named('chosen|preferred|accepted|winning|winner|better|best', 'chosen|preferred|w');
const worse = named(
  'rejected|non_?preferred|not_preferred|dispreferred|unpreferred|losing|loser|worse|worst',
  'rejected|dispreferred|l',
);
/** `response_0` and `response_1`, `answer_a` and `answer_b`: which is better is said elsewhere. */
const numbered = /^(response|output|answer|completion|reply|summary)_?([0-9jkab])$/i;

/**
 * What to make of a record that has preferences; undefined where it has none. `question`: its field
 * with the question or with the conversation so far.
 */
export function preferenceFault(fields: Fields, question: string | undefined): Fault | undefined {
  const names = Object.keys(fields);
  const chosen = names.find((name) => better.test(name));
  const rejected = names.find((name) => worse.test(name));
  if (chosen !== undefined && rejected !== undefined)
    return {
      what: `has "${chosen}" and "${rejected}": preferences are not trained`,
      fix: `${kept(fields, chosen, question)}, and leave "${rejected}" out.`,
    };
  const several = names.filter((name) => numbered.test(name));
  if (several.length < 2) return undefined;
  return {
    what: `has ${several.map((name) => `"${name}"`).join(' and ')}: preferences are not trained`,
    fix: 'Rename the better answer to "completion", and leave the others out.',
  };
}

/** Of an answer with a verdict in `unread`, as for KTO: nothing where it is good, or has none. */
export const badAnswer = (unread: Fields): Fault[] =>
  unread['label'] === false
    ? [
        {
          what: '"label" is false, as for answers that are not to be learned; they are trained',
          fix: 'Delete these samples, if that is what it says.',
        },
      ]
    : [];

/** What to do with the better answer. */
function kept(fields: Fields, chosen: string, question: string | undefined): string {
  const answer = fields[chosen];
  const list = Array.isArray(answer) ? answer : [answer];
  const asked = question === undefined ? undefined : fields[question];
  if (question === undefined) return keptAlone(chosen, list);
  if (isMessages(asked) || hasMessages(asked))
    return isMessages(asked) && isMessages(answer) && isPair(question)
      ? `Rename "${chosen}" to "completion"`
      : `Write "${chosen}" as an answer behind the messages of "${question}", in one list`;
  if (list.every(isMessage))
    return list.length > 1
      ? `Rename "${chosen}" to "messages"`
      : `Rename "${chosen}" to "completion", with the text of its message alone`;
  return `Rename "${chosen}" to "${question === 'instruction' ? 'output' : 'completion'}"`;
}

const keptAlone = (chosen: string, list: readonly unknown[]): string =>
  list.every(isMessage)
    ? `Rename "${chosen}" to "messages"`
    : `Divide "${chosen}" into its question, "prompt", and its answer, "completion"`;

const isMessages = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every(isMessage);
/** As OpenAI writes them: `input: {messages: […]}`. */
const hasMessages = (value: unknown): boolean => isObject(value) && !blank(value['messages']);
/** Lists of messages may stand there, too. */
const isPair = (question: string): boolean =>
  ['prompt', 'question', 'query', 'input'].includes(question);
