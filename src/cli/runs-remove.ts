// lora runs rm, prune: what is not needed any more.
import {
  childrenOf,
  findRuns,
  type KnownCheckpoint,
  type KnownRun,
  namedRun,
  type NamedRun,
  prune,
  pruned,
  type Pruned,
  removeCheckpoint,
  removeRun,
  UserError,
  withCodes,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { confirmed } from './confirm.ts';
import { fileSize } from './format.ts';
import { stepsText } from './runs.ts';
import { namesOf } from './runs-show.ts';

type Given = Readonly<Record<string, unknown>>;

const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map(String) : [];

export const runsRmCommand: Command = {
  name: 'runs rm',
  summary: 'Remove runs, or single checkpoints, for good; asks first',
  arguments: [
    {
      name: '<runs...>',
      key: 'runs',
      description: 'folder, name or id; brand@400 removes that checkpoint alone',
    },
  ],
  flags: [{ flags: '-y, --yes', key: 'yes', description: 'do not ask' }],
  examples: ['lora runs rm 20260131-120000', 'lora runs rm brand_lora@200 --yes'],
  run: rm,
};

async function rm({ runs: names, yes }: Given): Promise<number> {
  const found = texts(names).map((name) => namedRun(name));
  requireIdle(found);
  const others = findRuns(['.']).runs;
  process.stdout.write(found.map((one) => `${removalLine(one, others)}\n`).join(''));
  const question = found.length === 1 ? 'Remove it for good?' : `Remove these ${found.length}?`;
  if (yes !== true && !(await confirmed(question, '--yes'))) {
    process.stdout.write('Nothing was removed.\n');
    return 1;
  }
  for (const one of found) process.stdout.write(`${removed(one)}\n`);
  return 0;
}

/** Before anything is asked. */
function requireIdle(found: readonly NamedRun[]): void {
  const problems = found.flatMap(({ run }) =>
    run.holder === undefined
      ? []
      : [
          {
            where: run.dir,
            what: `process ${run.holder.pid} on ${run.holder.host} is at work on this run`,
            fix: 'Wait until it ends, or stop it with Ctrl+C.',
          },
        ],
  );
  if (problems.length > 0) throw new UserError(problems);
}

function removalLine({ run, checkpoint }: NamedRun, others: readonly KnownRun[]): string {
  const name = withCodes(run.name);
  if (checkpoint !== undefined)
    return `  ${name}, step ${checkpoint.step}${namesText(checkpoint)}, in ${withCodes(run.dir)}`;
  const tags = run.checkpoints.flatMap((one) => one.tags);
  const children = childrenOf(run, others).map((one) => one.name);
  const notes = [
    ...(tags.length > 0 ? [`tagged ${tags.join(', ')}`] : []),
    ...(children.length > 0 ? [`${children.join(', ')} came from it`] : []),
  ];
  const more = notes.length > 0 ? colours.yellow(withCodes(`; ${notes.join('; ')}`)) : '';
  return `  ${name}, ${run.facts.id}: ${run.state}, ${stepsText(run)} steps, ${fileSize(run.bytes)}, in ${withCodes(run.dir)}${more}`;
}

const namesText = (checkpoint: KnownCheckpoint): string => {
  const names = namesOf(checkpoint);
  return names.length === 0 ? '' : ` (${names.join(', ')})`;
};

function removed({ run, checkpoint }: NamedRun): string {
  const tick = colours.green('✓');
  const name = withCodes(run.name);
  if (checkpoint !== undefined) {
    removeCheckpoint(run, checkpoint.step);
    return `${tick} step ${checkpoint.step} of ${name} is removed`;
  }
  const left = removeRun(run).filter((one) => one !== 'runs');
  const rest =
    left.length === 0
      ? ''
      : `; what it did not write is still in ${withCodes(run.dir)}: ${left.slice(0, 3).map(withCodes).join(', ')}${left.length > 3 ? ` and ${left.length - 3} more` : ''}`;
  return `${tick} ${name} (${run.facts.id}) is removed${rest}`;
}

// ---- prune

export const runsPruneCommand: Command = {
  name: 'runs prune',
  summary: 'Remove all but the newest checkpoints; never the best, the current or a tagged one',
  arguments: [
    {
      name: '<runs...>',
      key: 'runs',
      description: 'folder, name or id, or the beginning of the id',
    },
  ],
  flags: [
    {
      flags: '-k, --keep <number>',
      key: 'keep',
      description: 'how many of the newest stay',
      required: true,
    },
    { flags: '--dry-run', key: 'dry', description: 'tell what would be removed, and leave it' },
  ],
  examples: ['lora runs prune brand_lora --keep 3', 'lora runs prune brand_lora -k 1 --dry-run'],
  run: pruneRuns,
};

function pruneRuns({ runs: names, keep, dry }: Given): number {
  const count = keepOf(String(keep));
  const found = texts(names).map((name) => wholeRun(name));
  for (const run of found) {
    const result = dry === true ? pruned(run, count) : prune(run, count);
    process.stdout.write(`${pruneLine(run, result, dry === true)}\n`);
  }
  return 0;
}

function wholeRun(name: string): KnownRun {
  const { run, checkpoint } = namedRun(name);
  if (checkpoint === undefined) return run;
  const what = 'names one checkpoint; prune looks at all of a run';
  throw new UserError([{ where: name, what, fix: `Write ${run.name}, or lora runs rm ${name}.` }]);
}

function keepOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const what = `expected a whole number, how many checkpoints stay; found ${JSON.stringify(text)}`;
  throw new UserError([{ where: '--keep', what, fix: 'Write --keep 3.' }]);
}

function pruneLine(run: KnownRun, { removed, kept }: Pruned, isDry: boolean): string {
  const name = withCodes(run.name);
  const steps = (list: readonly KnownCheckpoint[]) =>
    list.map((one) => `${one.step}${namesText(one)}`).join(', ');
  const stays = kept.length === 0 ? '' : `; kept: ${steps(kept)}`;
  if (removed.length === 0) return `${colours.green('✓')} ${name}: nothing to remove${stays}`;
  const bytes = removed
    .flatMap(({ saved }) => saved.flatMap(({ files }) => files))
    .reduce((sum, file) => sum + file.bytes, 0);
  const verb = isDry ? 'would be removed' : 'removed';
  const tick = isDry ? ' ' : colours.green('✓');
  return `${tick} ${name}: ${verb}: ${steps(removed)} (${fileSize(bytes)})${stays}`;
}
