// The form of a command: what it is called, what it takes, what it does.
import { UserError } from '../index.ts';

/** One option of a command; its value arrives under `key`. */
export interface CommandFlag {
  /** As commander writes it: `-c, --config <file>`. */
  readonly flags: string;
  readonly key: string;
  readonly description: string;
  readonly required?: boolean;
  /** A list of what is given, or, given once, a text. */
  readonly repeatable?: boolean | 'text or list';
  /** Heading in the help. */
  readonly group?: string;
}

/** A word behind the command's name; its value arrives under `key`. */
export interface CommandArgument {
  /** As commander writes it: `<adapter>`, `[adapter]`; `[folders...]` gives a list. */
  readonly name: string;
  readonly key: string;
  readonly description: string;
}

export interface Command {
  /** `train`, or `config schema`. */
  readonly name: string;
  readonly summary: string;
  readonly arguments?: readonly CommandArgument[];
  readonly flags: readonly CommandFlag[];
  /** What to do in place of a flag that there is not; undefined where nothing is known of it. */
  readonly insteadOf?: (flag: string) => string | undefined;
  /** Lines below the help: examples. */
  readonly examples?: readonly string[];
  /** Returns the exit code. */
  readonly run: (given: Readonly<Record<string, unknown>>) => Promise<number> | number;
}

/** `value`, one of `choices`. Throws UserError that lists them. */
export function choice<const T extends string>(
  where: string,
  value: string,
  choices: readonly T[],
): T {
  const found = choices.find((one) => one === value.toLowerCase());
  if (found !== undefined) return found;
  throw new UserError([
    { where, what: `unknown value "${value}"; expected one of ${choices.join(', ')}` },
  ]);
}
