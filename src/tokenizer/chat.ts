// A conversation as the text that a model was taught to read: the tokenizer's own template, or one
// by name.
import { CheckpointError, ConfigError } from '../errors.ts';
import { own } from '../util/own.ts';
import { suggest } from '../util/suggest.ts';
import { chatTemplates, type ChatTemplateName, otherTemplateNames } from './chat-templates.ts';
import { jinjaFunctions, jinjaTemplate } from './jinja.ts';
import { type CivilTime, civilTimeText, parseCivilTime } from '../util/strftime.ts';
import type { TextTokenizer } from './text.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
  /** What else the data has, by its names there; the template finds it beside role and content. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Names that data sets have for what a model thinks before it answers; a template reads one. */
export const reasoningNames = ['reasoning_content', 'reasoning', 'thinking', 'thought'] as const;

export interface ChatTemplate {
  /** A name of the table, or "the tokenizer's". */
  readonly name: string;
  /**
   * Jinja, as it goes into a model's files: it reads nothing but what transformers gives to a
   * template.
   */
  readonly source: string;
  /** The date that it writes, where it writes one. */
  readonly date?: string;
  /** The field in which it reads what the model thinks, where it reads one. */
  readonly reasoning?: string;
  /** What it writes between that and the words of the answer: `</think>`. */
  readonly reasoningEnd?: string;
  /**
   * With `addGenerationPrompt` the text ends where the assistant's answer begins. Throws Error with
   * what the template refuses.
   */
  render(
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
    tools?: readonly unknown[],
  ): string;
}

type TemplateTokenizer = Pick<
  TextTokenizer,
  'specialTokens' | 'addsBos' | 'chatTemplate' | 'chatTemplateFile'
>;

export interface TemplateOptions {
  /** Its place in messages; default `chat_template`. */
  readonly where?: string;
  /** What `strftime_now` takes for now: `2026-01-31T23:59:59`. Default: now, in UTC. */
  readonly date?: string;
}

/**
 * The template of `name` (a name of the table, Jinja itself, or "tokenizer"); without a name the
 * tokenizer's own; undefined where it has none. Throws ConfigError for an unknown name or a date
 * that is none, CheckpointError for a template that cannot be read.
 */
export function chatTemplate(
  tokenizer: TemplateTokenizer,
  name?: string,
  options: TemplateOptions = {},
): ChatTemplate | undefined {
  const { where = 'chat_template' } = options;
  if (name === undefined || name === 'tokenizer' || name === 'tokenizer_default')
    return tokenizer.chatTemplate === undefined
      ? undefined
      : compiled("the tokenizer's", tokenizer.chatTemplate, tokenizer, {
          ...options,
          ...(tokenizer.chatTemplateFile !== undefined && { where: tokenizer.chatTemplateFile }),
        });
  if (/\{[{%]/.test(name))
    return compiled('of the configuration', selfContained(name, tokenizer), tokenizer, options);
  const known = knownName(name, where);
  return compiled(
    known,
    selfContained(chatTemplates[known], tokenizer),
    { ...tokenizer, specialTokens: { bos_token: '', eos_token: '', ...tokenizer.specialTokens } },
    options,
  );
}

/** Why a tokenizer has no chat template of its own, and what to do. */
export function noTemplate({ otherTemplates = [] }: Pick<TextTokenizer, 'otherTemplates'>): {
  readonly what: string;
  readonly fix: string;
} {
  const byName = 'choose one by name, for example chat_template: chatml.';
  if (otherTemplates.length === 0)
    return {
      what: 'the tokenizer has no chat template',
      fix: `${byName[0].toUpperCase()}${byName.slice(1)}`,
    };
  const names = otherTemplates.map((name) => `"${name}"`).join(', ');
  return {
    what: `none of the tokenizer's chat templates (${names}) is called "default"`,
    fix: `Write the one that is meant into chat_template.jinja in the model's folder, or ${byName}`,
  };
}

const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

function knownName(name: string, where: string): ChatTemplateName {
  // `Object.keys` forgets the keys' type.
  const names = Object.keys(chatTemplates) as ChatTemplateName[];
  const found =
    names.find((one) => bare(one) === bare(name)) ?? own(otherTemplateNames, bare(name));
  if (found !== undefined) return found;
  const near = suggest(name, names);
  const what = `there is no chat template "${name}"; the choices are ${names.join(', ')}`;
  throw new ConfigError([
    {
      where,
      what,
      fix: `${near === undefined ? '' : `Did you mean "${near}"? `}Without the key, the tokenizer's own is used.`,
    },
  ]);
}

function compiled(
  name: string,
  source: string,
  { specialTokens, addsBos }: TemplateTokenizer,
  { where = 'chat_template', date = civilTimeText(new Date()) }: TemplateOptions,
): ChatTemplate {
  const template = parsed(name, source, where);
  const now = timeOf(date);
  const rendered = (messages: readonly object[], prompt: boolean, tools: readonly unknown[]) =>
    template.render({
      ...jinjaFunctions(now),
      ...specialTokens,
      adds_bos: addsBos,
      messages,
      add_generation_prompt: prompt,
      tools: tools.length === 0 ? null : tools,
      documents: null,
    });
  const thoughts = reasoningField((messages) => rendered(messages, false, []));
  const render: ChatTemplate['render'] = (messages, addGenerationPrompt, tools = []) =>
    rendered(
      messages.map((message) => plainMessage(message, thoughts.reasoning)),
      addGenerationPrompt,
      tools,
    );
  return {
    name,
    source,
    ...(source.includes('strftime_now') && { date }),
    ...thoughts,
    render,
  };
}

/** As the template finds it: what the model thinks under the name that the template reads. */
function plainMessage({ fields, ...message }: ChatMessage, reasoning: string | undefined): object {
  const thought = reasoningNames.find((name) => fields?.[name] !== undefined);
  if (reasoning === undefined || thought === undefined || fields?.[reasoning] !== undefined)
    return { ...message, ...fields };
  return { ...message, ...fields, [reasoning]: fields?.[thought] };
}

/** The first name whose words the template writes before an answer, and what divides the two. */
function reasoningField(
  render: (messages: readonly object[]) => string,
): Pick<ChatTemplate, 'reasoning' | 'reasoningEnd'> {
  const [thought, content] = ['3.141592653', '2.718281828'];
  for (const reasoning of reasoningNames) {
    const answer = { role: 'assistant', content, [reasoning]: thought };
    const text = renderedOrNothing(render, [{ role: 'user', content: 'Q' }, answer]);
    const [at, answerAt] = [text.indexOf(thought), text.indexOf(content)];
    if (at < 0) continue;
    const end = text.slice(at + thought.length, Math.max(0, answerAt)).trim();
    return { reasoning, ...(end !== '' && { reasoningEnd: end }) };
  }
  return {};
}

function renderedOrNothing(
  render: (messages: readonly object[]) => string,
  messages: readonly object[],
): string {
  try {
    return render(messages);
  } catch {
    return ''; // it renders other conversations only
  }
}

function timeOf(date: string): CivilTime {
  const time = parseCivilTime(date);
  if (time !== undefined) return time;
  const what = `${JSON.stringify(date)} is not a date`;
  const fix = 'Write 2026-01-31, or with the time 2026-01-31T23:59:59.';
  throw new ConfigError([{ where: 'template_date', what, fix }]);
}

/**
 * What is ours alone (`adds_bos`), and the special tokens that this tokenizer does not have, are
 * set by the template itself.
 */
function selfContained(source: string, { specialTokens, addsBos }: TemplateTokenizer): string {
  const missing = ['bos_token', 'eos_token'].filter((token) => !specialTokens[token]);
  const values = [['adds_bos', String(addsBos)], ...missing.map((token) => [token, "''"])] as const;
  const uses = (name: string) =>
    new RegExp(`\\b${name}\\b`).test(source) && !source.includes(`{% set ${name} =`);
  return (
    values
      .flatMap(([name, value]) => (uses(name) ? [`{% set ${name} = ${value} %}`] : []))
      .join('') + source
  );
}

function parsed(name: string, source: string, where: string): ReturnType<typeof jinjaTemplate> {
  try {
    return jinjaTemplate(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(
      [
        {
          where,
          what: `the chat template (${name}) cannot be read: ${reason}`,
          fix: 'Choose one by name, for example chat_template: chatml.',
        },
      ],
      { cause },
    );
  }
}
