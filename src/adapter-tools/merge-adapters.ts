// Several adapters for pictures as one, each at its weight.

import { openAdapter } from '../adapter-files/open-adapter.ts';
import type { Narrowing } from '../adapter-files/narrowing.ts';
import { UserError } from '../errors.ts';
import { requirePictures, writeLike, type OutputOptions, type WrittenAdapter } from './prepare.ts';
import { requireKept, resizedModule, type ResizedLayer } from './resize.ts';
import { summed, type Weighed } from './sum.ts';

export interface MergeAdaptersOptions extends OutputOptions {
  /** Files or folders, at least one. */
  readonly paths: readonly string[];
  /** One for each path; 1 unless given. */
  readonly weights?: readonly number[];
  /** The best of this rank, by SVD; unless given the sum in full, whose ranks add up. */
  readonly rank?: number;
}

export interface MergedAdapters extends WrittenAdapter {
  /** Of the layers that were reduced to the rank; empty for a sum in full. */
  readonly layers: readonly ResizedLayer[];
}

/**
 * Writes Σ weight · adapter, in the format of the first. Throws AdapterError and UserError: for
 * adapters of different base models, for a file that is there.
 */
export function mergeAdapters(options: MergeAdaptersOptions): MergedAdapters {
  const { rank, dtype, onProgress } = options;
  if (rank !== undefined) requireKept({ rank });
  const adapters = weighed(options);
  const narrowings: Narrowing[] = [];
  const tell = (found: Narrowing) => narrowings.push(found);
  const sum = summed(adapters, rank === undefined ? dtype : 'float32', tell);
  const layers: ResizedLayer[] = [];
  const modules = sum.map((module, i) => {
    if (rank === undefined) return module;
    const found = resizedModule(module, { rank }, dtype, tell);
    layers.push(found.layer);
    onProgress?.(i + 1, sum.length);
    return found.resized;
  });
  const [{ file }] = adapters;
  const from = options.paths.join(', ');
  const metadata = { ...file.metadata, 'modelspec.merged_from': from };
  return { ...writeLike({ ...file, metadata }, modules, narrowings, options), layers };
}

/** The adapters with their weights. Throws UserError where these do not belong together. */
export function weighed({
  paths,
  weights,
}: Pick<MergeAdaptersOptions, 'paths' | 'weights'>): Weighed[] {
  if (weights !== undefined && weights.length !== paths.length)
    throw new UserError([
      {
        where: '--weights',
        what: `has ${weights.length} for ${paths.length} adapters`,
        fix: 'Give one for each adapter, in their order: --weights 0.7,0.3',
      },
    ]);
  return paths.map((path, i) => {
    const weight = weights?.[i] ?? 1;
    if (!Number.isFinite(weight) || weight === 0)
      throw new UserError([
        {
          where: `--weights ${path}`,
          what: `is ${weight}, with which it adds nothing that can be said`,
          fix: 'Leave the adapter out, or give a number other than 0.',
        },
      ]);
    const file = openAdapter(path);
    requirePictures(
      file,
      'merged with one another',
      'Merge it into its base: lora merge --output <folder>.',
    );
    return { file, weight };
  });
}
