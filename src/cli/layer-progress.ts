// How far a computation over layers is: what an adapter took out of its base, what a tool does with
// each module.
import type { PhaseEvent } from '../index.ts';
import { createProgress } from './progress.ts';

type OnLayer = (done: number, total: number) => void;

/** So many of the layers are done. */
export const layerPhase = (
  done: number,
  total: number,
  name = 'computing what the adapter took out of its base',
): PhaseEvent => ({ type: 'phase', name, done, total });

/**
 * Runs `work`, which tells the layers that are done; the display, on `stream`, is closed whatever
 * happens.
 */
export function whileLayers<T>(
  work: (onLayer: OnLayer) => T,
  name?: string,
  stream: NodeJS.WriteStream = process.stdout,
): T {
  const progress = createProgress(stream);
  try {
    return work((done, total) => progress.show(layerPhase(done, total, name)));
  } finally {
    progress.close();
  }
}
