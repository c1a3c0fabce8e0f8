// Textual inversions that a prompt uses: words that stand for vectors of a file.

import type { Problem } from '../../errors.ts';
import { WORD } from '../../util/python-text.ts';

const byPrefix = new RegExp(
  String.raw`(?<![${WORD}])embedding\s?[:：]\s?([^\s,，()（）[\]:：<>|]+)`,
  'giu',
);

/** Files that very many prompts for Stable Diffusion 1.5 name, mostly negative ones. */
const wellKnown = [
  'EasyNegative',
  'EasyNegativeV2',
  'badhandv4',
  'bad-hands-5',
  'bad_prompt_version2',
  'bad-picture-chill-75v',
  'bad-artist',
  'ng_deepnegative_v1_75t',
  'negative_hand-neg',
  'verybadimagenegative_v1.3',
  'FastNegativeV2',
  'BadDream',
  'UnrealisticDream',
  'realisticvision-negative-embedding',
  'epiCNegative',
];

/**
 * Problems: `embedding:name`, and words that are names of `known` files. Warnings: words that are
 * well known as such, where no such file is known; WebUI, too, takes them for text then.
 */
export function embeddingProblems(
  text: string,
  where: string,
  known: readonly string[] = [],
): { readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] } {
  const asked = [...[...text.matchAll(byPrefix)].map(([, name]) => name), ...namedIn(text, known)];
  const guessed = namedIn(text, wellKnown).filter(
    (name) => !asked.some((other) => other.toLowerCase() === name.toLowerCase()),
  );
  return {
    problems: [...new Set(asked)].map((name) => ({
      where,
      what: `${name} is a textual inversion, which this program cannot apply`,
      fix: 'Take it out of the prompt, or say in words what it stands for.',
    })),
    warnings: guessed.map((name) => ({
      where,
      what: `${name} is mostly the name of a textual inversion, and is taken for text here`,
      fix: 'Take it out of the prompt, or say in words what it stands for.',
    })),
  };
}

/** WebUI compares tokens, which know no capitals. */
const namedIn = (text: string, names: readonly string[]): string[] =>
  names.filter((name) =>
    new RegExp(
      `(?<![${WORD}])${name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}(?![${WORD}])`,
      'iu',
    ).test(text),
  );
