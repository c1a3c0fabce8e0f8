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
  return eventsOf(profilePath)
    .filter(isNode)
    .map(({ name, dur, args }) => ({
      name: name.slice(0, -SUFFIX.length),
      type: args.op_name ?? '',
      microseconds: dur,
    }));
}

/**
 * The same where a device computes: what its own clock says of each kernel, since a node's time is
 * there the time that it takes to send it off. A node may have several kernels or none. Where there
 * is no such clock, as on the processor, it is the nodes' time.
 */
export function executedKernels(profilePath: string): ExecutedNode[] {
  const kernels = eventsOf(profilePath).filter(({ cat }) => cat === 'Api');
  if (kernels.length === 0) return executedNodes(profilePath);
  return kernels.map(({ name, dur }) => {
    // <node>&<its operator>&<program of the kernel>
    const [node, type = '', program = type] = name.split('&');
    return {
      name: node,
      type: program === type ? type : `${type} (${program})`,
      microseconds: dur,
    };
  });
}

// The profile is ONNX Runtime's own format, a list of trace events.
const eventsOf = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as ProfileEvent[];

const isNode = ({ cat, name }: ProfileEvent): boolean => cat === 'Node' && name.endsWith(SUFFIX);

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
