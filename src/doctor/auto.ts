// What `device: auto` takes on a machine, and why.

import type { GraphicsAdapters } from '../runtime/adapters.ts';

export interface AutoChoice {
  readonly device: 'cpu' | 'webgpu';
  /** A sentence without its full stop. */
  readonly reason: string;
}

export function autoDevice({ adapters: [first], missing }: GraphicsAdapters): AutoChoice {
  if (first === undefined || first.type === 'software') {
    return { device: 'cpu', reason: missing?.found ?? 'there is no graphics card' };
  }
  return {
    device: 'webgpu',
    reason: `${first.name} is there; where a run does not fit, the processor`,
  };
}
