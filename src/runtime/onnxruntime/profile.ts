// What ONNX Runtime really did, read from its profile: the order of execution and the time of each
// operator.

import { readFileSync } from 'node:fs';

export interface ExecutedNode {
  readonly name: string;
  readonly type: string;
  readonly microseconds: number;
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

const SUFFIX = '_kernel_time';

/** The kernels executed, run after run, from a profile written by a session. */
export function executedNodes(profilePath: string): ExecutedNode[] {
  // The profile is ONNX Runtime's own format, a list of trace events.
  const events = JSON.parse(readFileSync(profilePath, 'utf8')) as ProfileEvent[];
  return events
    .filter(({ cat, name }) => cat === 'Node' && name.endsWith(SUFFIX))
    .map(({ name, dur, args }) => ({
      name: name.slice(0, -SUFFIX.length),
      type: args.op_name ?? '',
      microseconds: dur,
    }));
}

export interface OperatorTime {
  readonly type: string;
  readonly count: number;
  readonly milliseconds: number;
}

/** Time by operator, the longest first. */
export function timeByOperator(executed: readonly ExecutedNode[]): OperatorTime[] {
  const table = new Map<string, { count: number; milliseconds: number }>();
  for (const { type, microseconds } of executed) {
    const row = table.get(type) ?? { count: 0, milliseconds: 0 };
    table.set(type, { count: row.count + 1, milliseconds: row.milliseconds + microseconds / 1000 });
  }
  return [...table]
    .map(([type, row]) => ({ type, ...row }))
    .sort((a, b) => b.milliseconds - a.milliseconds);
}
