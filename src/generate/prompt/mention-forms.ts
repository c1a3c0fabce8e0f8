// How prompts and guides spell the mention of an adapter.

import type { Problem } from '../../errors.ts';
import { WORD } from '../../util/python-text.ts';

/** What WebUI takes out of a prompt: the kind, then what follows the colon. */
export const WEBUI_MENTION = new RegExp(`<([${WORD}]+):([^>]+)>`, 'gu');

const NUMBER = String.raw`[-+]?(?:\p{Nd}+(?:[.．]\p{Nd}*)?|[.．]\p{Nd}+)`;
const NAME = String.raw`[^\s,，、;；:：<>＜＞()（）[\]{}|"'“”]+`;
const KIND = 'lora|lyco|locon|loha';

/** Brackets and colons of any kind, or no brackets. */
const forms = new RegExp(
  [
    String.raw`(?:[<＜〈《⟨‹«]|&lt;)\s*(?:${KIND})\s*[:：](?<content>[^<>＜＞〈〉《》⟨⟩‹›«»\n]+?)(?:[>＞〉》⟩›»]|&gt;)`,
    String.raw`(?<![${WORD}<])(?:${KIND})(?:\s*[:：]\s*(?<several>${NAME}(?: ${NAME})*)(?<numbers>(?:\s*[:：]\s*${NUMBER})+)(?![${WORD}])|[:：](?<name>${NAME}))`,
  ].join('|'),
  'giu',
);

const asInWebui = /^<(?:lora|lyco):[^>：．]+>$/u;

/** The prompt with all mentions as WebUI has them, and how those were understood that are not. */
export function looseMentions(
  prompt: string,
  where: string,
): { readonly text: string; readonly warnings: readonly Problem[] } {
  const warnings: Problem[] = [];
  const text = prompt.replace(forms, (whole: string, ...rest: unknown[]) => {
    // the last argument of a replacer, since the expression has named groups
    const groups = rest.at(-1) as Readonly<Record<string, string | undefined>>;
    const mention = inWebuiForm(groups);
    if (asInWebui.test(whole)) return whole;
    warnings.push(understood(whole, mention, where));
    return mention;
  });
  return { text, warnings };
}

function inWebuiForm({
  content,
  several,
  numbers = '',
  name,
}: Readonly<Record<string, string | undefined>>): string {
  const parts = `${content ?? several ?? name ?? ''}${numbers}`.split(/[:：]/);
  return `<lora:${parts.map(asciiNumber).join(':')}>`;
}

/** Full-width digits, point and equals sign of a strength; a name stays as it is. */
function asciiNumber(part: string, i: number): string {
  const trimmed = part.trim();
  return i === 0 ? trimmed : trimmed.normalize('NFKC');
}

const understood = (whole: string, mention: string, where: string): Problem => ({
  where,
  what: `${whole.trim()} is understood as ${mention}`,
  fix: 'WebUI itself takes it for text: write it with angle brackets where the prompt is for WebUI, too.',
});
