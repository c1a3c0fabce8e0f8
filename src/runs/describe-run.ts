// A run as plain data with the spelling of files, for programs: what --json prints.

import type { KnownCheckpoint, SavedAdapter } from './checkpoints.ts';
import { bestCheckpoint, type KnownRun } from './known-run.ts';

/** Everything that is known of it but the course of its losses. */
export function describeRun(run: KnownRun) {
  const { facts, checkpoints } = run;
  const best = bestCheckpoint(run);
  return {
    id: facts.id,
    name: run.name,
    dir: run.dir,
    earlier: run.earlier,
    state: run.state,
    reason: run.reason,
    process: run.holder && { pid: run.holder.pid, host: run.holder.host },
    task: run.task,
    base_model: run.base,
    data: run.data,
    steps: run.step,
    total_steps: run.totalSteps,
    loss: run.loss,
    best: best && { step: best.step, validation_loss: best.validationLoss },
    bytes: run.bytes,
    started: facts.started,
    finished: facts.finished,
    last_change: new Date(run.at).toISOString(),
    parent: facts.parent,
    forgetting: facts.forgetting,
    starts: facts.starts,
    changes: facts.changes,
    device: facts.device,
    seed: facts.seed,
    versions: facts.versions,
    checkpoints: checkpoints.map(describeCheckpoint),
  };
}

const describeCheckpoint = (one: KnownCheckpoint) => ({
  step: one.step,
  current: one.current,
  best: one.best,
  tags: one.tags,
  loss: one.loss,
  validation_loss: one.validationLoss,
  files: one.saved.flatMap(filesOf),
});

const filesOf = ({ files, final }: SavedAdapter) =>
  files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256, result: final }));
