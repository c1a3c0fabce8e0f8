// Commands that are killed while they write: exports, conversions, merges, and changes to runs.

import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { uniforms } from '../../src/util/philox.ts';
import { differences, remainsOf, tornBytes } from './remains.ts';
import type { SmallRun } from './small-runs.ts';
import { started } from './started.ts';

/** Of the run's folder, and a folder for what is made. */
type ArgsOf = (dir: string, out: string) => readonly string[];

const changes = (step: number): Readonly<Record<string, ArgsOf>> => ({
  'runs rollback': (dir) => ['runs', 'rollback', `${dir}@${step}`],
  'runs tag': (dir) => ['runs', 'tag', `${dir}@${step}`, 'good'],
  'runs rm': (dir) => ['runs', 'rm', `${dir}@${step}`, '--yes'],
  'runs prune': (dir) => ['runs', 'prune', dir, '--keep', '1'],
});

const texts: Readonly<Record<string, ArgsOf>> = {
  'export --to gguf': (dir, out) => [
    'export',
    '--to',
    'gguf',
    '--output',
    join(out, 'a.gguf'),
    dir,
  ],
  merge: (dir, out) => ['merge', dir, '--output', join(out, 'merged')],
};

const file = (dir: string) => join(dir, 'neon.safetensors');
const pictures: Readonly<Record<string, ArgsOf>> = {
  'convert --to diffusers': (dir, out) => [
    'convert',
    '--to',
    'diffusers',
    '--force',
    '--output',
    join(out, 'd.safetensors'),
    file(dir),
  ],
  'convert --to peft': (dir, out) => [
    'convert',
    '--to',
    'peft',
    '--force',
    '--output',
    join(out, 'peft'),
    file(dir),
  ],
  merge: (dir, out) => [
    'merge',
    file(dir),
    file(dir),
    '--force',
    '--output',
    join(out, 'm.safetensors'),
  ],
  resize: (dir, out) => [
    'resize',
    '--rank',
    '1',
    '--force',
    '--output',
    join(out, 'r.safetensors'),
    file(dir),
  ],
};

export interface CommandRow {
  readonly name: string;
  readonly kills: number;
  /** Of checkpoints that run.json named and that were not whole after a kill, or of the end. */
  readonly bytes: number;
  /** What the killed one left and the next did not clear up. */
  readonly leftovers: number;
  readonly failures: readonly string[];
}

/** Each command, killed so many times at calls to the disk that chance chooses. */
export async function judgeCommands(
  run: SmallRun,
  kills: number,
  seed: number,
): Promise<CommandRow[]> {
  const own = run.task === 'image' ? pictures : texts;
  const step = Math.ceil(run.steps / 4);
  const rows: CommandRow[] = [];
  for (const [name, argsOf] of Object.entries({ ...own, ...changes(step) })) {
    const numbers = [...uniforms(seed, rows.length, new Float64Array(2 * kills))];
    rows.push(await judgeCommand(run, { name, argsOf, kills, numbers }));
  }
  return rows;
}

interface Command {
  readonly name: string;
  readonly argsOf: ArgsOf;
  readonly kills: number;
  readonly numbers: readonly number[];
}

async function judgeCommand(run: SmallRun, command: Command): Promise<CommandRow> {
  const place = join(run.root, 'command');
  const [dir, out] = [join(place, 'neon'), join(place, 'out')];
  const fresh = () => {
    rmSync(place, { recursive: true, force: true });
    cpSync(run.at('whole'), dir, { recursive: true });
    mkdirSync(out);
  };
  const args = command.argsOf(dir, out);
  const state = () => new Map([...remainsOf(dir), ...remainsOf(out)]);
  fresh();
  const { code, said } = await started(run.root, { args });
  const expected = state();
  const row = { name: command.name, kills: 0, bytes: 0, leftovers: 0, failures: [] as string[] };
  if (code !== 0) return { ...row, failures: [said.slice(-300)] };
  for (let i = 0; i < command.kills; i++) {
    fresh();
    const nth = 1 + Math.floor(command.numbers[2 * i] * 8);
    const mode = (['before', 'torn', 'after'] as const)[Math.floor(command.numbers[2 * i + 1] * 3)];
    const strike = { process: 'launch', path: '/command/', nth, mode } as const;
    const first = await started(run.root, { args, strike });
    if (first.code === 0) continue;
    row.kills++;
    row.bytes += tornBytes(dir);
    const again = await started(run.root, { args });
    await started(run.root, { args: ['runs', 'verify', dir] });
    const { bytes, files } = differences(expected, state());
    row.bytes += bytes;
    row.leftovers += leftIn(place);
    if (bytes > 0)
      row.failures.push(`${mode} call ${nth}: ${files.join(', ')}; ${again.said.slice(-200)}`);
  }
  return row;
}

const leftIn = (dir: string): number =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) =>
        /(^|[/\\])\.(part|removed|gone)-/.test(name),
      ).length
    : 0;
