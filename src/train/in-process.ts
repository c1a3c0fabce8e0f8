// Trains in a process of its own, because the runtime's call blocks its thread: the events arrive
// by message.
import { fork } from 'node:child_process';
import {
  CheckpointError,
  ConfigError,
  DataError,
  InternalError,
  SystemError,
  UserError,
  type Problem,
} from '../errors.ts';
import type { LoadedConfig } from '../config/load.ts';
import { needed } from '../util/needed.ts';
import type { TrainEvent } from './events.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** Every kind of a user's error by the name that it is sent under. */
const errorClasses: ReadonlyMap<string, new (problems: readonly Problem[]) => UserError> = new Map(
  Object.entries({ UserError, ConfigError, DataError, CheckpointError, SystemError }),
);

/** In the bundle the entry lies beside this file as .js. */
const entry = new URL(
  import.meta.url.endsWith('.ts') ? './train-worker.ts' : './train-worker.js',
  import.meta.url,
);

/**
 * The events of the run that `job` describes. Aborting `signal` finishes the running step, saves,
 * and ends with a `done` event; leaving the loop early kills the process. Throws what the training
 * threw.
 */
export async function* trainInProcess(
  job: LoadedConfig,
  {
    signal = new AbortController().signal,
    worker = entry,
  }: { signal?: AbortSignal; worker?: URL } = {},
): AsyncGenerator<TrainEvent> {
  const child = fork(worker, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const tell = (message: ToWorker) => child.connected && child.send(message);
  const stop = () => tell({ type: 'stop' });
  signal.addEventListener('abort', stop);
  const inbox: (FromWorker | { type: 'gone'; how: string })[] = [];
  let wake = () => {};
  const post = (message: (typeof inbox)[number]) => {
    inbox.push(message);
    wake();
  };
  child.on('message', (message: FromWorker) => post(message));
  child.on('error', ({ message }) => post({ type: 'gone', how: message }));
  child.on('close', (code, killed) =>
    post({ type: 'gone', how: killed === null ? `exit code ${code}` : `signal ${killed}` }),
  );
  tell({ type: 'start', job });
  if (signal.aborted) stop();
  try {
    while (true) {
      const message = inbox.shift();
      if (message === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (message.type === 'event') yield message.event;
      else if (message.type === 'end') return;
      else throw toError(message);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    child.kill('SIGKILL');
  }
}

function toError(
  message: Exclude<FromWorker, { type: 'event' | 'end' }> | { type: 'gone'; how: string },
): Error {
  if (message.type === 'user-error')
    return new (needed(errorClasses, message.name, 'kind of error'))(message.problems);
  if (message.type === 'crash') return withStack(message.stack);
  if (message.how.includes('SIGKILL')) {
    return new SystemError([
      {
        where: 'training',
        what: 'the system ended the training process, as it does when memory runs out',
        fix: 'Use a smaller batch_size (gradient_accumulation_steps makes up for it) or a smaller resolution',
      },
    ]);
  }
  return new InternalError(`the training process ended early (${message.how})`);
}

function withStack(stack: string): Error {
  const error = new Error(stack.split('\n')[0]);
  error.stack = stack;
  return error;
}
