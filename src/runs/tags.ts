// Names that people give to checkpoints: they are found by them, and never pruned.

import { UserError } from '../errors.ts';
import { changeRun } from './change-run.ts';
import type { KnownRun } from './known-run.ts';
import { CHECKPOINT_WORDS } from './run-names.ts';

export interface Tagged {
  readonly tag: string;
  readonly step: number;
  /** The step that had the tag before. */
  readonly before?: number;
}

/** Gives a checkpoint a tag, taken from another one of the run where that had it. */
export function tagCheckpoint({ dir }: Pick<KnownRun, 'dir'>, step: number, tag: string): Tagged {
  requireTag(tag);
  return changeRun(dir, (change) => {
    const { tags } = change.facts;
    const before = tags.find((one) => one.tag === tag)?.step;
    change.record({ tags: [...tags.filter((one) => one.tag !== tag), { tag, step }] });
    return { tag, step, ...(before !== undefined && { before }) };
  });
}

/** Takes a tag away. Throws UserError where the run has none of that name. */
export function removeTag({ dir }: Pick<KnownRun, 'dir'>, tag: string): Tagged {
  return changeRun(dir, (change) => {
    const { tags } = change.facts;
    const found = tags.find((one) => one.tag === tag);
    if (found === undefined) throw new UserError([noTag(tag, tags)]);
    change.record({ tags: tags.filter((one) => one !== found) });
    return found;
  });
}

const noTag = (tag: string, tags: readonly Tagged[]) => ({
  where: tag,
  what: 'the run has no such tag',
  fix:
    tags.length === 0
      ? 'It has none.'
      : `It has ${[...new Set(tags.map((one) => one.tag))].join(', ')}.`,
});

/** Throws UserError for what would be taken for something else, or could not be typed. */
function requireTag(tag: string): void {
  const words: readonly string[] = CHECKPOINT_WORDS;
  const what = words.includes(tag)
    ? 'has a meaning of its own: best, current and last stand for checkpoints without a tag'
    : /^(step-?)?\d+$/i.test(tag)
      ? 'would be taken for a step'
      : /^[\p{Letter}\p{Number}][\p{Letter}\p{Mark}\p{Number}._-]{0,63}$/u.test(tag)
        ? undefined
        : 'is no tag: expected letters, digits, dots, hyphens and underscores without spaces, at most 64';
  if (what !== undefined)
    throw new UserError([
      { where: JSON.stringify(tag), what, fix: 'Write one such as for-the-shop.' },
    ]);
}
