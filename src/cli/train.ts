// lora train: reads the configuration, trains in a process of its own, shows the events.
import {
  configFlags,
  flagName,
  loadConfig,
  otherTrainersKey,
  trainInProcess,
  UserError,
  type ResumeMode,
} from '../index.ts';
import type { Command, CommandFlag } from './command.ts';
import { showDryRun } from './dry-run.ts';
import { createProgress } from './progress.ts';

const interrupted = 130;
/** Ctrl+C, a service manager or `timeout`, a closed terminal. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const overrideFlags = configFlags.map(
  ({ key, name, placeholder, description, repeatable, group }): CommandFlag => {
    const value = placeholder === '<true|false>' ? '[true|false]' : placeholder;
    return { flags: `${name} ${value}`, key, description, repeatable, group: `${group}:` };
  },
);

export const trainCommand: Command = {
  name: 'train',
  summary: 'Train an adapter as described in a YAML file',
  flags: [
    {
      flags: '-c, --config <file>',
      key: 'config',
      description: 'the YAML file that describes the run',
      required: true,
    },
    {
      flags: '--resume <run>',
      key: 'resume',
      description:
        'go on with this run, by its folder or its id; without it, an interrupted run in output_dir goes on',
    },
    {
      flags: '--fresh',
      key: 'fresh',
      description: 'begin a new run even where an interrupted one could go on; that one is kept',
    },
    {
      flags: '--dry-run',
      key: 'dryRun',
      description:
        'train nothing: tell the plan, and after a short trial time, energy and cost of the run',
    },
    {
      flags: '--json',
      key: 'json',
      description: 'with --dry-run: as JSON, for programs (docs/cost.md)',
    },
    ...overrideFlags,
  ],
  insteadOf: (flag) => otherTrainersKey(flag.replace(/^--/, ''), flagName),
  examples: [
    'lora train --config configs/brand_lora.yaml',
    'lora train --config configs/brand_lora.yaml --learning-rate 5e-4 --seed 7',
    'lora train --config configs/brand_lora.yaml --dry-run',
  ],
  run,
};

/** Which run is meant. Throws UserError where both flags are given. */
function resumeMode(run: unknown, fresh: unknown): ResumeMode {
  if (run === undefined) return fresh === true ? 'fresh' : 'auto';
  if (fresh !== true) return { run: String(run) };
  const what = 'is given together with --resume: a run either goes on or begins';
  throw new UserError([{ where: '--fresh', what, fix: 'Leave one of the two out.' }]);
}

function onlyDry(): UserError {
  const what = 'belongs to --dry-run: a training tells what happens as it goes';
  const fix = 'Add --dry-run; or read logs/metrics.jsonl in the run folder.';
  return new UserError([{ where: '--json', what, fix }]);
}

function onlyWhole(): UserError {
  const what = 'is given together with --dry-run, which tells what a whole run takes';
  const fix = 'Leave one of the two out. What an interrupted run has taken: lora runs cost RUN.';
  return new UserError([{ where: '--resume', what, fix }]);
}

async function run({
  config,
  resume,
  fresh,
  dryRun,
  json,
  ...overrides
}: Readonly<Record<string, unknown>>): Promise<number> {
  const mode = resumeMode(resume, fresh);
  if (dryRun === true && resume !== undefined) throw onlyWhole();
  const job = loadConfig(String(config), overrides, { nameOverride: flagName });
  if (dryRun === true) return showDryRun(job, { json: json === true });
  if (json === true) throw onlyDry();
  const progress = createProgress(process.stdout);
  const [stopping, killing] = [new AbortController(), new AbortController()];
  const onInterrupt = () => {
    if (stopping.signal.aborted) return killing.abort();
    stopping.abort();
    progress.note('Stopping after this step, then saving. Press Ctrl+C again to quit at once.');
  };
  for (const name of signals) process.on(name, onInterrupt);
  try {
    const signals = { signal: stopping.signal, kill: killing.signal };
    for await (const event of trainInProcess(job, { ...signals, resume: mode }))
      progress.show(event);
  } finally {
    progress.close();
    for (const name of signals) process.off(name, onInterrupt);
  }
  return stopping.signal.aborted ? interrupted : 0;
}
