// What a run survives, as a user would see it: the command line is killed, starved, limited and its
// files damaged; at the end the bytes are compared with those of a run that was left alone.
// --task text-generation|image|both, --kills 100, --seed 1, --faults '' for all or a part of their
// names ('none': none), --command-kills 6: of each command.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { judgeCommands } from './survival/commands.ts';
import { faults } from './survival/faults.ts';
import { judgeFault, type FaultRow } from './survival/judge-fault.ts';
import { killedRuns, momentsOf, type Outcome, type Pace } from './survival/kills.ts';
import { unmountAll } from './survival/places.ts';
import { remainsOf } from './survival/remains.ts';
import { smallRun, type SmallRun, type Task } from './survival/small-runs.ts';
import { started, untilStep } from './survival/started.ts';

const { values } = parseArgs({
  options: {
    task: { type: 'string', default: 'both' },
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    faults: { type: 'string', default: '' },
    'command-kills': { type: 'string', default: '6' },
  },
});
const tasks = (['text-generation', 'image'] as const).filter(
  (task) => values.task === 'both' || values.task === task,
);
const build = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url));
if (spawnSync(process.execPath, [build], { stdio: 'inherit' }).status !== 0) process.exit(1);

/** The run that nobody disturbs. */
async function undisturbed(run: SmallRun): Promise<Pace> {
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  let opening = 0;
  const cache = { LORA_SCRIPTS_CACHE: join(run.root, 'cache') };
  const during = async () => {
    await untilStep(run.at('whole'), 1);
    opening = since();
  };
  const { code, said } = await started(run.root, { args: run.args('whole'), env: cache, during });
  if (code !== 0) throw new Error(`the run without kills failed: ${said}`);
  return { opening, all: since(), step: (since() - opening) / run.steps };
}

function tellKills(run: SmallRun, { tallies, ...outcome }: Outcome): void {
  const rows = momentsOf(run).flatMap((moment) => {
    const tally = tallies.get(moment);
    return tally === undefined
      ? []
      : [
          [
            moment,
            {
              kills: tally.kills,
              'not survived': tally.failures,
              'torn bytes': tally.torn,
              'steps repeated': tally.repeated,
            },
          ] as const,
        ];
  });
  console.table(Object.fromEntries(rows));
  const kills = [...tallies.values()].reduce((sum, tally) => sum + tally.kills, 0);
  console.log(
    [
      `kills survived: ${kills - outcome.failures.length} of ${kills}, in ${outcome.rounds} runs of ${run.steps} steps`,
      `bytes lost: ${outcome.bytes} of ${outcome.compared}${outcome.differing.map((file) => `\n  ${file}`).join('')}`,
      `steps repeated: ${outcome.repeated} (${(outcome.repeated / Math.max(1, kills)).toFixed(1)} a kill)`,
      ...outcome.failures,
    ].join('\n'),
  );
}

/** A run that was killed past its half, for those faults that need one. */
async function cutRun(run: SmallRun): Promise<void> {
  const at = Math.ceil(run.steps * 0.7);
  const content = `"step":${at},"epoch"`;
  const strike = { process: 'train-worker', path: 'metrics\\.jsonl$', content, nth: 1 } as const;
  await started(run.root, {
    args: run.args('cut', { backup_dir: undefined }),
    env: { LORA_SCRIPTS_CACHE: join(run.root, 'cache') },
    strike: { ...strike, mode: 'after' },
  });
}

function tellFault({ name, exit, said, bytes, files, repeated, starts, faults: wrong }: FaultRow) {
  const figures = `exit ${exit}, ${starts} starts, ${bytes} bytes lost, ${repeated} steps repeated`;
  const lost = files.length > 0 ? ` (${files.join(', ')})` : '';
  console.log(`${name}: ${figures}${lost}`);
  for (const line of said) console.log(`    ${line}`);
  for (const one of wrong) console.log(`    NOT AS IT SHOULD: ${one}`);
}

async function judgedFaults(run: SmallRun, expected: ReturnType<typeof remainsOf>) {
  const chosen = faults.filter(({ name }) => name.includes(values.faults));
  if (chosen.length === 0) return true;
  await cutRun(run);
  const rows: FaultRow[] = [];
  for (const fault of chosen) {
    try {
      rows.push(await judgeFault(run, fault, rows.length, expected));
      tellFault(rows[rows.length - 1]);
    } catch (error) {
      console.log(`${fault.name}: could not be made here: ${String(error).split('\n')[0]}`);
    }
  }
  const lost = rows.filter(({ bytes, faults: wrong }) => bytes > 0 || wrong.length > 0);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const repeated = rows.reduce((sum, row) => sum + row.repeated, 0);
  console.log(
    `faults survived: ${rows.length - lost.length} of ${rows.length}; bytes lost: ${bytes}; steps repeated: ${repeated}`,
  );
  return lost.length === 0;
}

async function judgedCommands(run: SmallRun): Promise<boolean> {
  const kills = Number(values['command-kills']);
  if (kills === 0) return true;
  const rows = await judgeCommands(run, kills, Number(values.seed));
  console.table(Object.fromEntries(rows.map(({ name, failures, ...figures }) => [name, figures])));
  for (const { name, failures } of rows)
    for (const failure of failures) console.log(`NOT AS IT SHOULD: ${name}: ${failure}`);
  return rows.every(({ bytes, leftovers, failures }) => bytes + leftovers + failures.length === 0);
}

async function judged(task: Task): Promise<boolean> {
  const root = mkdtempSync(join(tmpdir(), 'survival-'));
  const run = await smallRun(root, task);
  console.log(`\n${task}`);
  const pace = await undisturbed(run);
  const expected = remainsOf(run.at('whole'));
  const numbers = { kills: Number(values.kills), seed: Number(values.seed) };
  const outcome = await killedRuns({ run, pace, expected, ...numbers, tell: console.error });
  tellKills(run, outcome);
  const isSound = outcome.bytes === 0 && outcome.failures.length === 0;
  const commandsAre = await judgedCommands(run);
  const faultsAre = await judgedFaults(run, expected);
  const all = isSound && commandsAre && faultsAre;
  if (all) rmSync(root, { recursive: true });
  else console.log(`what is left: ${root}`);
  return all;
}

const sound: boolean[] = [];
try {
  for (const task of tasks) sound.push(await judged(task));
} finally {
  unmountAll();
}
process.exitCode = sound.every(Boolean) ? 0 : 1;
