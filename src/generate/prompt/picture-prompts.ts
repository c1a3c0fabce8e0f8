// The prompts of one picture, planned: what the model is asked at each call, and how the answers
// are weighed.

import { ConfigError } from '../../errors.ts';
import { WeightError } from './attention.ts';
import type { ChunkTokenizer } from './chunks.ts';
import type { Emphasis } from './emphasis.ts';
import { leastCommonMultiple } from '../../util/least-common-multiple.ts';
import type { ScheduleSpan } from './schedule.ts';
import {
  chunkCount,
  planNegativePrompt,
  planPrompt,
  type PlannedPart,
  type PlanOptions,
} from './prompt-plan.ts';

export interface PicturePrompts {
  readonly emphasis: Emphasis;
  /** Undefined where guidance does without it. */
  readonly negative: PlannedPart | undefined;
  /** What AND joins, at least one. */
  readonly parts: readonly PlannedPart[];
  /** Of each part: guidance times its weight. */
  readonly scales: readonly number[];
}

export interface PromptRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly guidance: number;
  readonly emphasis: Emphasis;
}

export interface PromptModel extends ScheduleSpan {
  readonly tokenizer: ChunkTokenizer;
  /** Positions of the text encoder. */
  readonly length: number;
}

/**
 * Throws ConfigError for a weight that is no number, and for prompts whose lengths do not go
 * together.
 */
export function picturePrompts(
  { prompt, negativePrompt, guidance, emphasis }: PromptRequest,
  { tokenizer, length, ...span }: PromptModel,
): PicturePrompts {
  const options: PlanOptions = { tokenizer, length, span, emphasis };
  const parts = planned(promptName(prompt), () => planPrompt(prompt, options));
  const scales = parts.map(({ weight }) => weight * guidance);
  const needed = scales.length > 1 || scales[0] !== 1;
  const negative = needed
    ? planned(negativePromptName(negativePrompt), () => planNegativePrompt(negativePrompt, options))
    : undefined;
  if (negative !== undefined) requireCommonLength(prompt, longest(parts), chunkCount(negative));
  return { emphasis, negative, parts, scales };
}

/** Of the states that the UNet is given: the length at which both prompts end together. */
const MOST_CHUNKS = 60;

/** So that two long prompts do not become a product that no memory holds. */
function requireCommonLength(prompt: string, own: number, negative: number): void {
  if (leastCommonMultiple(own, negative) <= Math.max(MOST_CHUNKS, own, negative)) return;
  throw new ConfigError([
    {
      where: promptName(prompt),
      what: `it has ${own} chunks of tokens, its negative prompt ${negative}, which cannot be drawn together`,
      fix: 'Shorten one of them until one number is a multiple of the other.',
    },
  ]);
}

/** What the prompts of pictures that go through the model together have in common. */
export const promptShape = ({ negative, parts }: PicturePrompts): string =>
  [negative === undefined ? 0 : chunkCount(negative), longest(parts), parts.length].join(' ');

export const longest = (parts: readonly PlannedPart[]): number =>
  Math.max(...parts.map(chunkCount));

/** What messages call a prompt. */
export const promptName = (prompt: string): string => `the prompt ${JSON.stringify(prompt)}`;
export const negativePromptName = (prompt: string): string =>
  `the negative prompt ${JSON.stringify(prompt)}`;

function planned<T>(where: string, plan: () => T): T {
  try {
    return plan();
  } catch (error) {
    if (!(error instanceof WeightError)) throw error;
    throw new ConfigError(
      [
        {
          where,
          what: `expected a number as the weight in brackets; found ${JSON.stringify(error.written)}`,
          fix: 'Write it as (word:1.2), or \\(word\\) for brackets that belong to the text.',
        },
      ],
      { cause: error },
    );
  }
}
