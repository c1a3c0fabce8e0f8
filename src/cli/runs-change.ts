// lora runs rollback, tag: what a run's files are called.
import {
  namedCheckpoint,
  namedRun,
  type NamedRun,
  removeTag,
  type Rollback,
  rollBack,
  tagCheckpoint,
  UserError,
  withCodes,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { checkpointArgument } from './runs-show.ts';

export const runsRollbackCommand: Command = {
  name: 'runs rollback',
  summary: 'Make an earlier checkpoint the result of a run; the newer one stays beside it',
  arguments: [checkpointArgument],
  flags: [],
  examples: ['lora runs rollback brand_lora@400', 'lora runs rollback brand_lora@best'],
  run({ run: name }) {
    const { run, checkpoint } = chosenCheckpoint(String(name));
    process.stdout.write(`${rollbackLines(run, rollBack(run, checkpoint.step)).join('\n')}\n`);
    return 0;
  },
};

/** The checkpoint must be named: without it the command would do nothing. */
function chosenCheckpoint(text: string): Required<NamedRun> {
  const { run, checkpoint } = namedRun(text);
  if (checkpoint !== undefined) return { run, checkpoint };
  const steps = run.checkpoints.map(({ step }) => step);
  throw new UserError([
    {
      where: text,
      what:
        steps.length === 0
          ? 'the run has no checkpoints: nothing was saved yet'
          : `names no checkpoint; there are ${steps.join(', ')}`,
      ...(steps.length > 0 && { fix: `Write lora runs rollback ${text}@${steps[0]}.` }),
    },
  ]);
}

function rollbackLines(
  run: NamedRun['run'],
  { step, before, files, kept }: Rollback,
): readonly string[] {
  const names = files.map(withCodes).join(', ');
  if (before === step) return [`${colours.green('✓')} ${names}: already of step ${step}`];
  const keptLine =
    kept.length === 0
      ? []
      : [
          `  step ${before} is kept as ${kept.map(withCodes).join(', ')}`,
          `  ${colours.dim(`lora runs rollback ${withCodes(run.name)}@${before} takes it again`)}`,
        ];
  return [
    `${colours.green('✓')} ${names}: of step ${step} now`,
    ...keptLine,
    ...(run.state === 'done'
      ? []
      : [`  a training that goes on with this run goes on from step ${run.step} all the same`]),
  ];
}

export const runsTagCommand: Command = {
  name: 'runs tag',
  summary: 'Give a checkpoint a name: it is found by it, and never pruned',
  arguments: [
    checkpointArgument,
    { name: '<tag>', key: 'tag', description: 'the name: for-the-shop' },
  ],
  flags: [{ flags: '--delete', key: 'delete', description: 'take the tag away' }],
  examples: ['lora runs tag brand_lora@400 for-the-shop', 'lora runs tag brand_lora old --delete'],
  run,
};

function run({ run: name, tag, delete: isOver }: Readonly<Record<string, unknown>>): number {
  const text = String(tag);
  if (isOver === true) {
    const { step } = removeTag(namedRun(String(name)).run, text);
    process.stdout.write(`${colours.green('✓')} step ${step} is no longer called ${text}\n`);
    return 0;
  }
  const { run, checkpoint } = namedCheckpoint(String(name));
  const { step, before } = tagCheckpoint(run, checkpoint.step, text);
  const moved = before === undefined || before === step ? '' : `; step ${before} was before`;
  process.stdout.write(
    `${colours.green('✓')} step ${step} of ${withCodes(run.name)} is called ${text}${moved}\n`,
  );
  return 0;
}
