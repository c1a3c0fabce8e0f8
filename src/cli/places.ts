// Problems that name a key alone, with where its value was written: on the command line, or in the
// configuration.

import { type ConfigSource, placeOf, type Problem } from '../index.ts';
import type { Command } from './command.ts';

export type Placed = (problem: Problem) => Problem;

/** `given`: what the command line says; what is neither there nor in the file stays as it is. */
export const placedIn =
  (
    { flags = [] }: Pick<Command, 'flags'>,
    given: Readonly<Record<string, unknown>>,
    source?: ConfigSource,
  ): Placed =>
  (problem) => {
    const { where: key } = problem;
    const flag = flags.find((one) => one.key === key)?.flags.match(/--[a-z-]+/)?.[0];
    if (flag !== undefined && given[key] !== undefined) return { ...problem, where: flag };
    return source?.given.has(key) === true ? { ...problem, where: placeOf(key, source) } : problem;
  };
