// How far the computation is of what an adapter took out of its base: seconds for each large layer.
import type { PhaseEvent } from '../index.ts';
import { createProgress } from './progress.ts';

/** So many of the layers are done. */
export const layerPhase = (done: number, total: number): PhaseEvent => ({
  type: 'phase',
  name: 'computing what the adapter took out of its base',
  done,
  total,
});

/** Runs `work`, which tells the layers that are done; the display is closed whatever happens. */
export function whileLayers<T>(work: (onLayer: (done: number, total: number) => void) => T): T {
  const progress = createProgress(process.stdout);
  try {
    return work((done, total) => progress.show(layerPhase(done, total)));
  } finally {
    progress.close();
  }
}
