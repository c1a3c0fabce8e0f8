// What the user sees when something goes wrong, and the exit code that says so.
import { type Problem, refusalOf, shownProblem, UserError } from '../index.ts';
import { colours } from './colours.ts';

const headlines: Readonly<Record<string, string>> = {
  ConfigError: 'The configuration cannot be used',
  DataError: 'The data cannot be used',
  CheckpointError: 'The model cannot be used',
  AdapterError: 'The adapter cannot be used',
  SystemError: 'The system reported an error',
};

/**
 * Problems listed one by one; a folder of thousands of pictures without captions must not bury its
 * first line.
 */
const shownProblems = 30;

/**
 * What was thrown as text, and the exit code: 1 for a fault of the user's or a refusal of the
 * system, 70 for a fault of ours.
 */
export function report(thrown: unknown): { readonly text: string; readonly exitCode: number } {
  const error = refusalOf(thrown) ?? thrown;
  if (error instanceof UserError) {
    const headline = headlines[error.name] ?? 'That did not work';
    const count = error.problems.length > 1 ? ` (${error.problems.length} problems)` : '';
    const rest = error.problems.length - shownProblems;
    const lines = [
      ...error.problems.slice(0, shownProblems).map(problemText),
      ...(rest > 0 ? [`  … and ${rest} more`] : []),
    ];
    return {
      text: `${colours.red(colours.bold(`${headline}${count}`))}\n${lines.join('\n')}\n`,
      exitCode: 1,
    };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    text: `${stack}\n${colours.red('This is a bug in lora-scripts, not a mistake of yours. Please report it with the lines above.')}\n`,
    exitCode: 70,
  };
}

function problemText(problem: Problem): string {
  const { where, what, fix } = shownProblem(problem);
  return `  ${colours.bold(where)}: ${what}${fix === undefined ? '' : `\n      ${colours.dim(fix)}`}`;
}
