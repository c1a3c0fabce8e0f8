// A process with a time limit that prints JSON lines: what it had said before it ended, and why it
// ended.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  /** Seconds after which it is stopped. */
  readonly limit: number;
  /** Called for each JSON line as it comes. */
  readonly onLine: (line: object) => void;
}

/** Why it ended otherwise than it should have; undefined where all went well. */
export function runChild(
  command: string,
  args: readonly string[],
  { limit, onLine }: ChildOptions,
): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stopped = false;
  const timer = setTimeout(() => {
    stopped = true;
    child.kill('SIGKILL');
  }, 1000 * limit);
  let said = '';
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => (said = (said + text).slice(-8000)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const found = parsed(line);
    if (found !== undefined) onLine(found);
  });
  return new Promise((resolve) => {
    const end = (reason: string | undefined) => {
      clearTimeout(timer);
      resolve(reason);
    };
    child.on('error', ({ message }) => end(message));
    child.on('close', (code, signal) => {
      if (stopped) end(`stopped after ${limit.toFixed(0)} s`);
      else end(code === 0 ? undefined : `${causeOf(said)} (${signal ?? `exit code ${code}`})`);
    });
  });
}

function parsed(line: string): object | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    // an object, by its first character
    return JSON.parse(line) as object;
  } catch {
    return undefined;
  }
}

const LONGEST = 200;

/** The line that names the error in what a process said of it. */
export function causeOf(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('at '));
  const cause = lines.findLast((line) => /^\[?[\w.]*(Error|Exception)\b.*:/.test(line));
  return (cause ?? lines.at(-1) ?? 'it ended without a word').slice(0, LONGEST);
}
