// What is promised of a run before it, beside what it took: in processes of their own, since a
// process has one peak of memory.

import { readAccount, type StartAccount } from '../../account/account.ts';
import { loadConfig, type LoadedConfig } from '../../config/load.ts';
import { InternalError } from '../../errors.ts';
import type { ForecastEvent, PlanEvent } from '../../events.ts';
import type { TrainEvent } from '../events.ts';
import { trainInProcess } from '../in-process.ts';

export interface Promised {
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly memory: number;
}

export interface PromisedAndTaken {
  /** By the dry run. */
  readonly promised: Promised;
  /** By the run itself, after its first steps; absent where it is too short. */
  readonly forecast?: StartAccount['forecast'];
  readonly taken: Promised;
  /** What other programs had of the processors that the run wanted, 0 to 1. */
  readonly load?: number;
}

/** `settings`: besides those of the file. */
export async function promisedAndTaken(
  file: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<PromisedAndTaken> {
  const job = loadConfig(file, settings);
  const promised = await promisedOf(job);
  for await (const _ of trainInProcess(job, { resume: 'fresh' }));
  const start = readAccount(job.config.output_dir).starts.at(-1);
  const { seconds, processorSeconds, peakMemory: memory, forecast, load } = start ?? {};
  if (seconds === undefined || processorSeconds === undefined || memory === undefined)
    throw new InternalError('the account of a run lacks what it took');
  return { promised, forecast, taken: { seconds, processorSeconds, memory }, load };
}

/** In bytes: what the plan of a run told, and what the run held at its peak. */
export async function memoryPromisedAndTaken(
  file: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<{ readonly promised: number; readonly taken: number }> {
  const job = loadConfig(file, settings);
  for await (const _ of trainInProcess(job, { resume: 'fresh' }));
  const { memoryEstimate, peakMemory } = readAccount(job.config.output_dir).starts.at(-1) ?? {};
  if (memoryEstimate === undefined || peakMemory === undefined)
    throw new InternalError('the account of a run lacks its memory');
  return { promised: memoryEstimate, taken: peakMemory };
}

async function promisedOf(job: LoadedConfig): Promise<Promised> {
  const events: TrainEvent[] = [];
  for await (const event of trainInProcess(job, { resume: 'dry-run' })) events.push(event);
  const plan = events.find((event): event is PlanEvent => event.type === 'plan');
  const forecast = events.find((event): event is ForecastEvent => event.type === 'forecast');
  if (plan?.memoryEstimate === undefined || forecast === undefined)
    throw new InternalError('a dry run without a plan or a forecast');
  const { expense, processorSeconds } = forecast;
  return { seconds: expense.seconds, processorSeconds, memory: plan.memoryEstimate };
}
