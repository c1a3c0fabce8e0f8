// PEFT's rank_pattern and alpha_pattern: numbers by the ends of paths.

import { CheckpointError } from '../errors.ts';
import { fullMatch } from '../util/python-regexp.ts';

/**
 * The first pattern that matches the path's end, as PEFT matches them: each is a regular
 * expression.
 */
export function patternValue(
  patterns: ReadonlyMap<string, number>,
  path: string,
): number | undefined {
  const matches = (key: string) => key === path || patternOf(key).test(path);
  return [...patterns].find(([key]) => matches(key))?.[1];
}

function patternOf(key: string): RegExp {
  const found = fullMatch(`(?:.*\\.)?(?:${key})`);
  if (found !== undefined) return found;
  throw new CheckpointError([
    {
      where: 'adapter_config.json',
      what: `the pattern ${JSON.stringify(key)} is not a regular expression that can be read here`,
      fix: 'Write the names of the layers in its place.',
    },
  ]);
}
