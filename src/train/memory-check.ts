// What will not fit into memory is refused before anything is loaded, with the settings that would.

import { placeOf, type LoadedConfig } from '../config/load.ts';
import { SystemError, type Problem } from '../errors.ts';
import { availableMemory, type AvailableMemory } from '../runtime/system-memory.ts';
import { processMemory } from '../runtime/memory.ts';
import { byteSize } from '../util/byte-size.ts';
import { resumeRules } from './resume-rules.ts';
import type { OpenTask, SmallerRun } from './task.ts';

/** The system, or a test's idea of it. */
export interface Memory {
  readonly available: AvailableMemory;
  /** Bytes that this process holds already. */
  readonly held: number;
}

const memoryNow = (): Memory => ({ available: availableMemory(), held: processMemory().bytes });

/** The estimate may be so much too high: what might fit after all is told, not refused. */
const DOUBT = 1.1;

/**
 * A warning where the run may not fit. Throws SystemError where it will not. Of a run on a graphics
 * card the task itself says whether it has room.
 */
export function* requireMemory(
  { source }: LoadedConfig,
  task: OpenTask,
  { available, held }: Memory = memoryNow(),
): Generator<Problem> {
  const needed = task.plan.memoryEstimate;
  const most = available.bytes + held;
  if (needed === undefined || needed <= most) return;
  const key = task.smaller?.()[0]?.settings[0]?.key ?? 'batch_size';
  const of = available.of === 'group' ? 'its container or group allows' : 'the machine has left';
  const problem = {
    where: placeOf(key, source),
    what: `this run takes about ${byteSize(needed)} of memory, more than the ${byteSize(most)} that ${of}`,
    fix: proposal(task, most),
  };
  if (needed > DOUBT * most) throw new SystemError([problem]);
  yield { ...problem, what: `${problem.what}: the system may end it` };
}

/** The gentlest settings that fit, computed; what needs least where none does. */
export function proposal(task: Pick<OpenTask, 'smaller'>, most: number): string {
  const runs = task.smaller?.() ?? [];
  const fitting = fittingSettings(task, most);
  if (fitting !== undefined) return `These would fit: ${fitting}. Or end other programs.`;
  const [least] = [...runs].sort((a, b) => a.bytes - b.bytes);
  return least === undefined
    ? 'End other programs, or train on a machine with more memory.'
    : `Nothing that could be set makes it fit: even ${described(least)}. End other programs, or train on a machine with more memory.`;
}

/** The gentlest three that need no more, with what each needs; undefined where none does. */
function fittingSettings(
  task: Pick<OpenTask, 'smaller'>,
  most: number,
  told: (run: SmallerRun) => string = described,
): string | undefined {
  const fitting = (task.smaller?.() ?? []).filter(({ bytes }) => bytes <= most).slice(0, 3);
  return fitting.length === 0 ? undefined : fitting.map(told).join('; or ');
}

/**
 * What to do where memory ran out under an interrupted run: what it needs beside what can be had
 * now, and settings that need less, computed; of each whether the run goes on with it.
 */
export function afterRunningOut(
  task: Pick<OpenTask, 'smaller' | 'plan'>,
  { available, held }: Memory = memoryNow(),
): string {
  const [needed, most] = [task.plan.memoryEstimate, available.bytes + held];
  if (needed === undefined) return 'End other programs that need much memory.';
  const figures = `The run takes about ${byteSize(needed)}, and ${byteSize(most)} can be had now`;
  const smaller = fittingSettings(task, Math.min(most, needed - 1), withConsequence);
  if (needed > most && smaller === undefined) return `${figures}. ${proposal(task, most)}`;
  const [verdict, intro] =
    needed > most
      ? ['', 'These would fit']
      : [': it goes on as it is', 'Should memory run out again, these need less'];
  const settings = smaller === undefined ? '' : ` ${intro}: ${smaller}.`;
  return `${figures}${verdict}.${settings} Ending other programs leaves it more.`;
}

const withConsequence = (run: SmallerRun): string =>
  `${described(run)}, ${run.settings.every(({ key }) => resumeRules[key] === 'free') ? 'with which it goes on' : 'with --fresh, as another run'}`;

/** `batch_size: 2, gradient_accumulation_steps: 4 (about 1.2 GiB)` */
const described = ({ settings, bytes }: SmallerRun): string =>
  `${settings.map(({ key, value }) => `${key}: ${valueText(value)}`).join(', ')} (about ${byteSize(bytes)})`;

/** As in the file. */
const valueText = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value);
