// The form of a command: what it is called, what it takes, what it does.

/** One option of a command; its value arrives under `key`. */
export interface CommandFlag {
  /** As commander writes it: `-c, --config <file>`. */
  readonly flags: string;
  readonly key: string;
  readonly description: string;
  readonly required?: boolean;
  readonly repeatable?: boolean;
  /** Heading in the help. */
  readonly group?: string;
}

export interface Command {
  /** `train`, or `config schema`. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CommandFlag[];
  /** Lines below the help: examples. */
  readonly examples?: readonly string[];
  /** Returns the exit code. */
  readonly run: (given: Readonly<Record<string, unknown>>) => Promise<number> | number;
}
