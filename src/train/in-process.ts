// Trains in a process of its own, because the runtime's call blocks its thread: the events arrive
// by message.
import { fork, type ChildProcess } from 'node:child_process';
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
import type { ResumeMode } from './take-up.ts';

/** Every kind of a user's error by the name that it is sent under. */
const errorClasses: ReadonlyMap<string, new (problems: readonly Problem[]) => UserError> = new Map(
  Object.entries({ UserError, ConfigError, DataError, CheckpointError, SystemError }),
);

/** In the bundle the entry lies beside this file as .js. */
const entry = new URL(
  import.meta.url.endsWith('.ts') ? './train-worker.ts' : './train-worker.js',
  import.meta.url,
);

export interface InProcessOptions {
  /** Aborting it finishes the running step, saves, and ends with a `done` event. */
  readonly signal?: AbortSignal;
  /** Aborting it ends the process at once; what was saved before is kept. */
  readonly kill?: AbortSignal;
  /** Default: `auto`. */
  readonly resume?: ResumeMode;
  readonly worker?: URL;
}

/**
 * The events of the run that `job` describes. Aborting `signal` finishes the running step, saves,
 * and ends with a `done` event; leaving the loop early kills the process. Throws what the training
 * threw.
 */
export async function* trainInProcess(
  job: LoadedConfig,
  {
    signal = new AbortController().signal,
    kill = new AbortController().signal,
    resume,
    worker = entry,
  }: InProcessOptions = {},
): AsyncGenerator<TrainEvent> {
  const child = fork(worker, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const inbox = new Inbox(child);
  const tell = (message: ToWorker) => child.connected && child.send(message);
  const stop = () => tell({ type: 'stop' });
  const end = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop);
  kill.addEventListener('abort', end);
  tell({ type: 'start', job, resume });
  if (signal.aborted) stop();
  try {
    while (true) {
      const message = await inbox.next();
      if (message.type === 'event') yield message.event;
      else if (message.type === 'end') return;
      else if (message.type === 'gone' && kill.aborted) return;
      else throw toError(message);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    kill.removeEventListener('abort', end);
    child.kill('SIGKILL');
  }
}

/** A message of the process, or that it is gone. */
type Message = FromWorker | { readonly type: 'gone'; readonly how: string };

/** What a process says, in order. */
class Inbox {
  readonly #messages: Message[] = [];
  #wake = () => {};

  constructor(child: ChildProcess) {
    child.on('message', (message: FromWorker) => this.#post(message));
    child.on('error', ({ message }) => this.#post({ type: 'gone', how: message }));
    child.on('close', (code, killed) =>
      this.#post({ type: 'gone', how: killed === null ? `exit code ${code}` : `signal ${killed}` }),
    );
  }

  async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #post(message: Message): void {
    this.#messages.push(message);
    this.#wake();
  }
}

function toError(message: Exclude<Message, { type: 'event' | 'end' }>): Error {
  if (message.type === 'user-error')
    return new (needed(errorClasses, message.name, 'kind of error'))(message.problems);
  if (message.type === 'crash') return withStack(message.stack);
  if (message.how.includes('SIGKILL')) {
    return new SystemError([
      {
        where: 'training',
        what: 'the system ended the training process, as it does when memory runs out',
        fix: 'Start it again: the same command goes on from the last state, says whether memory had run out, and which settings would fit.',
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
