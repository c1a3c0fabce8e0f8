// The side of the training process: takes one job by message, trains, sends every event back.
import { UserError } from '../errors.ts';
import { refusalOf } from '../storage/write-error.ts';
import type { FromWorker, ToWorker, Trainer } from './messages.ts';

/**
 * Serves the process that forked this one, then ends. To be called by a worker entry with its
 * trainer.
 */
export function serveTraining(train: Trainer): void {
  const stopping = new AbortController();
  // Ctrl+C, a closed terminal, `timeout` and service managers reach the whole group; the parent
  // decides
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => stopping.abort());
  process.on('message', (message: ToWorker) => {
    if (message.type === 'stop') return stopping.abort();
    void run(train, message, stopping.signal)
      .then(send)
      .then(() => process.connected && process.disconnect()); // the parent may have been killed
  });
}

async function run(
  train: Trainer,
  { job, resume }: ToWorker & { type: 'start' },
  signal: AbortSignal,
): Promise<FromWorker> {
  try {
    for await (const event of train(job, { signal, resume })) await send({ type: 'event', event });
    return { type: 'end' };
  } catch (thrown) {
    const error = refusalOf(thrown) ?? thrown;
    if (error instanceof UserError)
      return { type: 'user-error', name: error.name, problems: error.problems };
    return {
      type: 'crash',
      stack: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

/** Resolves when the message is on its way, or when nobody listens any more. */
function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected || process.send === undefined) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}
