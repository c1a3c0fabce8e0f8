// What run.json says of a checkpoint, and which one is offered in place of the last.

import { join } from 'node:path';
import type { DoneEvent } from '../events.ts';
import type { Checkpoint } from '../runs/facts.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import type { History } from './history.ts';

/** `best`: for no other reason than that it is the best by now. */
export type WhySaved = 'between' | 'best' | 'final';

export function checkpointRecord(
  why: WhySaved,
  { step, loss, history }: { step: number; loss: number | undefined; history: History | undefined },
): Omit<Checkpoint, 'files'> {
  const validationLoss = history?.lossAt(step);
  return {
    step,
    final: why === 'final',
    at: new Date().toISOString(),
    loss,
    ...(validationLoss !== undefined && { validationLoss }),
    ...(why === 'best' && { asBest: true }),
  };
}

/** The checkpoint that is better than the last step, where the verdict says so. */
export function betterCheckpoint(
  history: History | undefined,
  { dir, facts }: Pick<RunFolder, 'dir' | 'facts'>,
): DoneEvent['best'] {
  const step = history?.better;
  const saved = facts.checkpoints.find((one) => !one.final && one.step === step);
  return step === undefined || saved === undefined
    ? undefined
    : { step, adapter: join(dir, saved.files[0].name) };
}
