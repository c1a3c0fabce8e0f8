// The runs below a folder: there is no list of them but the folders themselves.

import { readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError, type Problem } from '../errors.ts';
import { byNumber } from '../util/order.ts';
import { isRemoved } from './change-run.ts';
import { readFacts } from './facts.ts';
import { knownRun, type KnownRun } from './known-run.ts';
import { EARLIER_RUNS } from './run-folder.ts';

/** Folders below the one that is searched: ./output/customer/style and its runs are found. */
const DEPTH = 4;
/** They hold thousands of folders, and never a run. */
const passed = new Set(['node_modules', '__pycache__', 'venv']);

export interface FoundRuns {
  /** The one that began last first. */
  readonly runs: readonly KnownRun[];
  /** Files called run.json that cannot be read. */
  readonly problems: readonly Problem[];
  /** Folders whose run is gone, but not all of it: its removal was cut short. */
  readonly leftovers: readonly string[];
}

/** Every run in `dirs` and in their folders, but not in hidden ones. */
export function findRuns(dirs: readonly string[]): FoundRuns {
  const search: Search = { seen: new Set(), runs: [], problems: [], leftovers: [] };
  for (const dir of dirs) look(dir, DEPTH, search);
  const begun = ({ facts }: KnownRun) => Date.parse(facts.started);
  const runs = [...search.runs].sort((a, b) => begun(b) - begun(a) || byNumber(a.dir, b.dir));
  return { ...search, runs };
}

interface Search {
  /** Folders as the disk knows them: links may lead in a circle. */
  readonly seen: Set<string>;
  readonly runs: KnownRun[];
  readonly problems: Problem[];
  readonly leftovers: string[];
}

function look(dir: string, depth: number, search: Search): void {
  const real = realFolder(dir);
  if (real === undefined || search.seen.has(real)) return;
  search.seen.add(real);
  const names = namesIn(dir);
  const isRun = names.includes('run.json') && take(dir, search);
  if (!isRun && names.some(isRemoved)) search.leftovers.push(dir);
  if (isRun) {
    // earlier runs are found however deep the folder of the latest lies
    if (names.includes(EARLIER_RUNS)) look(join(dir, EARLIER_RUNS), 1, search);
  } else if (depth > 0)
    for (const name of names)
      if (name[0] !== '.' && !passed.has(name)) look(join(dir, name), depth - 1, search);
}

/** Whether it is a run of ours. */
function take(dir: string, { runs, problems }: Search): boolean {
  try {
    const facts = readFacts(dir);
    if (facts !== undefined) runs.push(knownRun(dir, facts));
    return facts !== undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const notes = error.problems.map(({ where, what }) => ({ where, what: `${what}; left out` }));
    problems.push(...notes);
    return false;
  }
}

/** Its path without links; undefined where it is no folder. */
function realFolder(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    return statSync(real).isDirectory() ? real : undefined;
  } catch {
    return undefined;
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort(byNumber);
  } catch {
    return []; // not for us to look at
  }
}
