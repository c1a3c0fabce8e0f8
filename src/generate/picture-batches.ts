// Which requests go through the models together.

import { sameMix, type Mix } from './mix.ts';
import type { CompleteRequest } from './picture-request.ts';
import { sharedWay } from './picture-way.ts';
import { promptShape, type PicturePrompts } from './prompt/picture-prompts.ts';

export interface PlannedRequest extends CompleteRequest {
  readonly prompts: PicturePrompts;
}

export interface PictureBatch {
  /** Where each picture stands in the list of requests. */
  readonly indices: readonly number[];
  /**
   * One for each index, and at the end copies of the last that only fill the batch. All alike in
   * what a run shares.
   */
  readonly pictures: readonly PlannedRequest[];
}

/**
 * Requests that are alike in size, adapter, way from noise to a picture and the shape of their
 * prompts, in batches of equal size, at most `largest`.
 */
export function batchesOf(requests: readonly PlannedRequest[], largest: number): PictureBatch[] {
  const mixes: (Mix | undefined)[] = [];
  const alike = new Map<string, number[]>();
  requests.forEach((request, index) => {
    const key = keyOf(request, mixes);
    alike.set(key, [...(alike.get(key) ?? []), index]);
  });
  return [...alike.values()]
    .flatMap((indices) => cut(indices, largest))
    .map((batch) => filled(batch, requests));
}

function keyOf(request: PlannedRequest, mixes: (Mix | undefined)[]): string {
  const { width, height, mix, prompts } = request;
  const known = mixes.findIndex((other) => alike(other, mix));
  const index = known < 0 ? mixes.push(mix) - 1 : known;
  return [width, height, sharedWay(request), index, promptShape(prompts)].join(' ');
}

const alike = (a: Mix | undefined, b: Mix | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && sameMix(a, b));

interface Cut {
  readonly indices: readonly number[];
  readonly size: number;
}

/** Of so many requests that are alike, those in each batch. */
export const batchSize = (requests: number, largest: number): number =>
  Math.ceil(requests / Math.ceil(requests / largest));

function cut(indices: readonly number[], largest: number): Cut[] {
  const size = batchSize(indices.length, largest);
  return Array.from({ length: Math.ceil(indices.length / size) }, (_, i) => ({
    indices: indices.slice(i * size, (i + 1) * size),
    size,
  })).filter((batch) => batch.indices.length > 0);
}

function filled({ indices, size }: Cut, requests: readonly PlannedRequest[]): PictureBatch {
  const last = indices.length - 1;
  return {
    indices,
    pictures: Array.from({ length: size }, (_, i) => requests[indices[Math.min(i, last)]]),
  };
}
