// What WebUI's language makes of a prompt that its writer may not have meant.

import type { Problem } from '../../errors.ts';
import { SPACE } from '../../util/python-text.ts';
import { isBreak, promptSegments, WeightError } from './attention.ts';
import { composedParts } from './composition.ts';

type Remark = Omit<Problem, 'where'>;

interface RemarkOptions {
  readonly negative?: boolean;
  /** Nothing is said of letters that are not Latin. */
  readonly anyScript?: boolean;
}

/** `text` is a prompt without mentions of adapters. */
export function promptRemarks(
  text: string,
  where: string,
  { negative = false, anyScript = false }: RemarkOptions,
): Problem[] {
  const remarks = [
    negative ? loraInNegative(text) : weightAtEnd(text),
    breakInBrackets(text),
    fullWidthEmphasis(text),
    otherSyntax(text),
    anyScript ? undefined : fewLatinLetters(text),
  ];
  return remarks.flatMap((remark) => (remark === undefined ? [] : [{ where, ...remark }]));
}

function loraInNegative(text: string): Remark | undefined {
  const [found] = /[<＜〈《]\s*(?:lora|lyco)\s*[:：][^>＞〉》]*[>＞〉》]/iu.exec(text) ?? [];
  if (found === undefined) return undefined;
  return {
    what: `${found} in a negative prompt is text, as in WebUI: the adapter is not loaded`,
    fix: 'Name the adapter in the prompt, with a negative strength where it is to take away.',
  };
}

const spaceAtEnd = new RegExp(`[${SPACE}]+$`, 'u');

function weightAtEnd(text: string): Remark | undefined {
  const parts = composedParts(text);
  const [{ text: left, weight }] = parts;
  if (parts.length > 1 || left.length === text.replace(spaceAtEnd, '').length) return undefined;
  return {
    what: `it ends in a colon and a number, which WebUI takes for a weight: the prompt counts ${weight} times, and the number is no part of the text`,
    fix: 'Put a word or a comma behind the number if it belongs to the text.',
  };
}

function breakInBrackets(text: string): Remark | undefined {
  try {
    const broken = promptSegments(text).filter(
      (segment) => segment.weight <= 0 && segment.text.includes('BREAK') && !isBreak(segment),
    );
    if (broken.length === 0) return undefined;
  } catch (error) {
    if (error instanceof WeightError) return undefined;
    throw error;
  }
  return {
    what: 'BREAK inside brackets is no break but the word, with a negative weight, as in WebUI',
    fix: 'Close the brackets before BREAK and open them again behind it.',
  };
}

const fullWidth = new RegExp(String.raw`（[^（）]*[:：][${SPACE}]*[\d０-９.．]+[${SPACE}]*）`, 'u');

function fullWidthEmphasis(text: string): Remark | undefined {
  const [found] = fullWidth.exec(text) ?? [];
  if (found === undefined) return undefined;
  return {
    what: `${found} has brackets of full width, which are text, as in WebUI: nothing is emphasized`,
    fix: 'Type ( : ) of half width, such as (word:1.2).',
  };
}

const others: readonly (readonly [RegExp, string])[] = [
  [/\{[^{}]*\|[^{}]*\}/u, 'is a choice for the extension Dynamic Prompts'],
  [/(?<![^\s,(])__[\w/-]+__(?![^\s,.)])/u, 'is a wildcard for the extension Dynamic Prompts'],
];

function otherSyntax(text: string): Remark | undefined {
  for (const [pattern, means] of others) {
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined)
      return {
        what: `${found} ${means}; here it is text`,
        fix: 'Write the words that are meant.',
      };
  }
  return undefined;
}

/** CLIP was trained on English captions: other scripts fall into bytes that it hardly knows. */
function fewLatinLetters(text: string): Remark | undefined {
  const letters = text.match(/\p{L}/gu) ?? [];
  const latin = letters.filter((letter) => /\p{Script=Latin}/u.test(letter)).length;
  if (letters.length === 0 || latin * 2 > letters.length) return undefined;
  return {
    what: 'most of it is not in Latin letters, and the text encoder of Stable Diffusion 1.x knows hardly any other: words that the adapter was not trained with will have little to do with the picture',
    fix: 'Translate the prompt into English, apart from words that the adapter was trained with.',
  };
}
