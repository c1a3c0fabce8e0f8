// What several runs have taken together.

import { UserError, type Problem } from '../errors.ts';
import type { Expense } from '../events.ts';
import { readAccount, totalOf, type StartAccount } from './account.ts';

export interface CostOfRun extends Expense {
  readonly dir: string;
  readonly starts: number;
  /** Bytes; absent where the system did not tell. */
  readonly peakMemory?: number;
}

export interface CostOfRuns {
  /** In the order of the folders; those without an account are left out. */
  readonly runs: readonly CostOfRun[];
  readonly total: Expense;
  /** Folders whose run kept no account: it was made by an earlier version, or ended at once. */
  readonly without: readonly string[];
  /** Accounts that cannot be read. */
  readonly problems: readonly Problem[];
}

/** `dirs`: folders of runs. */
export function costOfRuns(dirs: readonly string[]): CostOfRuns {
  const problems: Problem[] = [];
  const accounts = dirs.map((dir) => ({ dir, starts: startsOf(dir, problems) }));
  const found = accounts.filter(({ starts }) => starts.length > 0);
  const damaged = new Set(problems.map(({ where }) => where));
  return {
    runs: found.map(({ dir, starts }) => costOfRun(dir, starts)),
    total: totalOf(found.flatMap(({ starts }) => starts)),
    without: accounts
      .filter(
        ({ dir, starts }) =>
          starts.length === 0 && ![...damaged].some((path) => path.startsWith(dir)),
      )
      .map(({ dir }) => dir),
    problems,
  };
}

function startsOf(dir: string, problems: Problem[]): readonly StartAccount[] {
  try {
    return readAccount(dir).starts;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push(...error.problems);
    return [];
  }
}

function costOfRun(dir: string, starts: readonly StartAccount[]): CostOfRun {
  const peaks = starts.flatMap(({ peakMemory = [] }) => peakMemory);
  return {
    dir,
    starts: starts.length,
    ...totalOf(starts),
    ...(peaks.length > 0 && { peakMemory: Math.max(...peaks) }),
  };
}
