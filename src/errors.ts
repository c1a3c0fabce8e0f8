// Errors that are the user's to mend: printed without a stack trace, exit code 1.
import { withCodes, withCodesInLines } from './util/visible.ts';

/**
 * One thing wrong in the user's input: where it is, what was found, what was expected and what to
 * do.
 */
export interface Problem {
  /** `file:line key`, a path, a tensor name … */
  readonly where: string;
  /** What is wrong, in plain words, with the value found and the value expected. */
  readonly what: string;
  /** The remedy: the key to change, the nearest spelling, the command to run. */
  readonly fix?: string;
}

/** A fault in what the user gave us. Carries every problem found, so that all are shown at once. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  constructor(
    readonly problems: readonly Problem[],
    options?: ErrorOptions,
  ) {
    super(problems.map(formatProblem).join('\n'), options);
  }

  /** The same error, whose last remedy ends with `note`. */
  with(note: string): UserError {
    const last = this.problems.length - 1;
    return this.withEach((problem, i) =>
      i === last ? { ...problem, fix: [problem.fix, note].filter(Boolean).join(' ') } : problem,
    );
  }

  /** The same error with each problem changed. */
  withEach(change: (problem: Problem, index: number) => Problem): UserError {
    // every subclass has this constructor
    const Same = this.constructor as new (
      problems: readonly Problem[],
      options?: ErrorOptions,
    ) => UserError;
    return new Same(this.problems.map(change), { cause: this.cause });
  }
}

/** A fault in the configuration file. */
export class ConfigError extends UserError {
  override readonly name = 'ConfigError';
}

/** A fault in the training data: a picture, a caption file, a row of metadata.csv. */
export class DataError extends UserError {
  override readonly name = 'DataError';
}

/** A fault in a model file: not safetensors, truncated, wrong architecture, missing tensors. */
export class CheckpointError extends UserError {
  override readonly name: string = 'CheckpointError';
}

/** Such a fault of an adapter's file, or of the place that it is to go to. */
export class AdapterError extends CheckpointError {
  override readonly name = 'AdapterError';
}

/** What `read` gives, where the files that it reads are an adapter's: their faults are its own. */
export function ofAdapter<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new AdapterError(error.problems, { cause: error });
  }
}

/** What to do about a file that is damaged. */
export const obtainAgain =
  'Download or copy the file again, and compare its size with the original.';

/** Throws one fault of a model file. */
export function failCheckpoint(where: string, what: string, fix = obtainAgain): never {
  throw new CheckpointError([{ where, what, fix }]);
}

/** The machine refused: a disk that is full, a folder that cannot be written, too little memory. */
export class SystemError extends UserError {
  override readonly name = 'SystemError';
}

/** A fault of ours: always shown with its stack. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
  constructor(message: string, options?: ErrorOptions) {
    super(`internal: ${message}`, options);
  }
}

/** A problem as it is shown: a name in it that holds something unseen shows it by its code. */
export const shownProblem = ({ where, what, fix }: Problem): Problem => ({
  where: withCodes(where),
  what: withCodesInLines(what),
  ...(fix !== undefined && { fix: withCodesInLines(fix) }),
});

export function formatProblem(problem: Problem): string {
  const { where, what, fix } = shownProblem(problem);
  return `${where}: ${what}${fix === undefined ? '' : `\n    ${fix}`}`;
}
