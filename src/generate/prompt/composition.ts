// Prompts that are joined by AND, each with its weight (composable diffusion, Liu et al., arXiv
// 2206.01714), as WebUI has them.

import { DIGIT, pythonFloat, SPACE, WORD } from '../../util/python-text.ts';

export interface ComposedPart {
  readonly text: string;
  /** Guidance towards the part is multiplied by it. */
  readonly weight: number;
}

const and = new RegExp(`(?<![${WORD}])AND(?![${WORD}])`, 'u');
const weighted = new RegExp(
  String.raw`[${SPACE}]*:[${SPACE}]*([-+]?(?:[${DIGIT}]+\.?|[${DIGIT}]*\.[${DIGIT}]+))[${SPACE}]*$`,
  'u',
);
const trailing = new RegExp(`[${SPACE}]+$`, 'u');

/**
 * `a cat AND a dog:0.5`. As in WebUI, a prompt without AND that ends in a colon and a number has
 * that weight, too, and the number is no part of the text.
 */
export function composedParts(prompt: string): ComposedPart[] {
  return prompt.split(and).map((part) => {
    const found = weighted.exec(part);
    return {
      text: found === null ? part.replace(trailing, '') : part.slice(0, found.index),
      weight: found === null ? 1 : (pythonFloat(found[1]) ?? 1),
    };
  });
}
