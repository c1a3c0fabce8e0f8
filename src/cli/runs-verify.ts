// lora runs verify: whether every file is as it was saved.
import {
  backupOfRun,
  clearLeftovers,
  type Copied,
  describeRun,
  type KnownRun,
  namedRuns,
  type Problem,
  shownProblem,
  type Verified,
  verifyRun,
  withCodes,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { amount, fileSize } from './format.ts';
import { jsonFlag } from './runs.ts';

export const runsVerifyCommand: Command = {
  name: 'runs verify',
  summary: 'Read every file and compare it with its hash; clear up what a crash left',
  arguments: [
    {
      name: '[runs...]',
      key: 'runs',
      description:
        'names, ids or folders, also with several runs in them; by default every run below the current folder',
    },
  ],
  flags: [jsonFlag],
  examples: ['lora runs verify', 'lora runs verify brand_lora'],
  run,
};

interface Result extends Verified {
  /** Undefined where the run has no backup_dir, or is still at work. */
  readonly backup?: Copied;
}

/** What is damaged in the run is not copied over a sound copy. */
function checked(run: KnownRun): Result {
  const result = verifyRun(run);
  const { facts, holder } = result.run;
  const copies = holder === undefined ? backupOfRun(result.run) : undefined;
  return copies === undefined ? result : { ...result, backup: copies.verify(facts.checkpoints) };
}

function run({ runs: names, json }: Readonly<Record<string, unknown>>): number {
  const given = Array.isArray(names) ? names.map(String) : [];
  const { runs, leftovers } = namedRuns(given);
  leftovers.forEach(clearLeftovers);
  const results = runs.map(checked);
  const isSound = results.every(({ problems }) => problems.length === 0);
  const text = json === true ? jsonText(results) : shownText(results, leftovers);
  process.stdout.write(text);
  return isSound ? 0 : 1;
}

const jsonText = (results: readonly Result[]): string =>
  `${JSON.stringify({ runs: results.map(described) }, null, 2)}\n`;

const described = ({ run, ...rest }: Result) => {
  const { id, name, dir, state } = describeRun(run);
  return { id, name, dir, state, ...rest };
};

function shownText(results: readonly Result[], leftovers: readonly string[]): string {
  const lines = [
    ...leftovers.map((dir) => `  ${withCodes(dir)}: the removal of a run was finished`),
    ...results.flatMap(resultLines),
    ...(results.length === 0 ? ['No runs here.'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function resultLines(result: Result): string[] {
  const { run, sound, bytes, unhashed, problems, mended, backup } = result;
  const head = `${withCodes(run.name)} (${run.facts.id})`;
  const tick = problems.length === 0 ? colours.green('✓') : colours.red('✗');
  return [
    `${tick} ${head}: ${soundText({ run, sound, bytes, unhashed })}`,
    ...mended.map((note) => `  ${withCodes(note)}`),
    ...problems.flatMap((problem) => problemLines(problem, colours.red)),
    ...(backup === undefined ? [] : backupLines(backup)),
  ];
}

function problemLines(problem: Problem, paint: (text: string) => string): string[] {
  const { where, what, fix } = shownProblem(problem);
  return [
    `  ${paint(where)}: ${what}`,
    ...(fix === undefined ? [] : [`      ${colours.dim(fix)}`]),
  ];
}

/** Where the copies cannot be reached, the run is sound all the same. */
function backupLines({ made, problems }: Copied): string[] {
  if (problems.length > 0)
    return problems.flatMap((problem) => problemLines(problem, colours.yellow));
  return made.length === 0
    ? ['  every file is in backup_dir, as saved']
    : [`  copied to backup_dir: ${made.map(withCodes).join(', ')}`];
}

function soundText(of: { run: KnownRun; sound: number; bytes: number; unhashed: number }): string {
  const { run, sound, bytes, unhashed } = of;
  if (sound === 0)
    return run.checkpoints.length === 0 ? 'no adapter was saved yet' : 'no sound file';
  const files = `${amount(sound)} file${sound === 1 ? '' : 's'}`;
  if (unhashed === 0) return `${files} as saved, ${fileSize(bytes)}`;
  return `${files}, ${fileSize(bytes)}; of ${unhashed} no hash was recorded then: their form is sound`;
}
