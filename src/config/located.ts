// Problems that name a key alone, as code without the file does: with the key's place in it.

import { type Problem, UserError } from '../errors.ts';
import { placeOf, type ConfigSource } from './load.ts';
import { configKeys } from './schema.ts';

const known: ReadonlySet<string> = new Set(configKeys);

/** `learning_rate` -> `brand_lora.yaml:7 learning_rate`; what is not a key stays as it is. */
export function located(problem: Problem, source: ConfigSource): Problem {
  // the data have two keys, and only one of them is written
  const isDataDir = problem.where === 'train_data' && !source.given.has('train_data');
  const key = isDataDir ? 'train_data_dir' : problem.where;
  return known.has(key) ? { ...problem, where: placeOf(key, source) } : problem;
}

/** An error with its problems located; anything but the user's faults unchanged. */
export const locatedError = (error: unknown, source: ConfigSource): unknown =>
  error instanceof UserError ? error.withEach((problem) => located(problem, source)) : error;
