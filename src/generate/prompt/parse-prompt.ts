// A prompt as one types it for WebUI: the adapters that it names, the text that is left, and what
// one should know of it.

import type { Problem } from '../../errors.ts';
import { embeddingProblems } from './embeddings.ts';
import { adapterOf, type LoraMention } from './lora-mention.ts';
import { looseMentions, WEBUI_MENTION } from './mention-forms.ts';
import { promptRemarks } from './remarks.ts';

export interface ParsedPrompt {
  /** The prompt without its mentions of adapters. */
  readonly text: string;
  /** In their order. */
  readonly loras: readonly LoraMention[];
  /** What cannot be done as it is asked. */
  readonly problems: readonly Problem[];
  /** What is done in another way than it may seem. */
  readonly warnings: readonly Problem[];
}

export interface ParseOptions {
  /** What messages call the prompt; by default the prompt itself. */
  readonly where?: string;
  /**
   * Names of the textual inversions that are at hand, such as the files of WebUI's folder
   * `embeddings` without their extensions: a prompt that uses one is refused.
   */
  readonly embeddings?: readonly string[];
  /** Nothing is said of letters that are not Latin: they may be what is trained. */
  readonly anyScript?: boolean;
}

/**
 * `<lora:name>`, `<lora:name:0.8>`, `<lora:name:0.8:0.5>` (text encoder, UNet),
 * `<lora:name:te=1:unet=0.5>`, `<lyco:…>`; also as guides print it, `lora:name:0.8` and
 * `＜lora：name：0.8＞`, with a warning. Hypernetworks, textual inversions and block weights are
 * problems. Other things in angle brackets with a colon are left out, as WebUI does.
 */
export function parsePrompt(prompt: string, options: ParseOptions = {}): ParsedPrompt {
  const where = options.where ?? promptName('prompt', prompt);
  const loose = looseMentions(prompt, where);
  const loras: LoraMention[] = [];
  const problems: Problem[] = [];
  const warnings = [...loose.warnings];
  const text = loose.text.replace(WEBUI_MENTION, (whole: string, kind: string, content: string) => {
    const found = adapterOf({ whole, kind, content }, where);
    loras.push(...found.loras);
    problems.push(...found.problems);
    warnings.push(...found.warnings);
    return '';
  });
  const embedded = embeddingProblems(text, where, options.embeddings);
  return {
    text,
    loras,
    problems: [...problems, ...embedded.problems],
    warnings: [...warnings, ...embedded.warnings, ...promptRemarks(text, where, options)],
  };
}

/** A negative prompt is text alone, as in WebUI: an adapter that it names is not loaded. */
export function parseNegativePrompt(prompt: string, options: ParseOptions = {}): ParsedPrompt {
  const where = options.where ?? promptName('negative prompt', prompt);
  const embedded = embeddingProblems(prompt, where, options.embeddings);
  const warnings = [
    ...embedded.warnings,
    ...promptRemarks(prompt, where, { ...options, negative: true }),
  ];
  return { text: prompt, loras: [], problems: embedded.problems, warnings };
}

/** So much of a prompt is shown in a message. */
const SHOWN = 60;
const promptName = (kind: string, prompt: string): string =>
  `the ${kind} ${JSON.stringify(prompt.length > SHOWN ? `${prompt.slice(0, SHOWN)}…` : prompt)}`;
