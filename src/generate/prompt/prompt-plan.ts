// A prompt in WebUI's language as what the text encoder and the sampler need of it: texts in
// chunks, with the calls of the model that each is for.

import { promptSegments, type Segment } from './attention.ts';
import {
  emptyChunk,
  promptChunks,
  type Chunk,
  type ChunkOptions,
  type ChunkTokenizer,
} from './chunks.ts';
import { composedParts } from './composition.ts';
import type { Emphasis } from './emphasis.ts';
import { promptSchedule, type ScheduleSpan } from './schedule.ts';

export interface PlannedText {
  /** For the calls up to this one, counted from 0. */
  readonly until: number;
  readonly text: string;
  readonly chunks: readonly Chunk[];
}

/** What AND joins. */
export interface PlannedPart {
  /** Guidance towards it is multiplied by this. */
  readonly weight: number;
  /** One after another, all of as many chunks. */
  readonly texts: readonly PlannedText[];
}

export interface PlanOptions extends ChunkOptions {
  readonly tokenizer: ChunkTokenizer;
  readonly span: ScheduleSpan;
  readonly emphasis: Emphasis;
}

/** Throws WeightError. */
export const planPrompt = (prompt: string, options: PlanOptions): PlannedPart[] =>
  composedParts(prompt).map(({ text, weight }) => ({ weight, texts: plannedTexts(text, options) }));

/** In a negative prompt AND is a word, and so is a weight at its end. */
export const planNegativePrompt = (prompt: string, options: PlanOptions): PlannedPart => ({
  weight: 1,
  texts: plannedTexts(prompt, options),
});

export const chunkCount = ({ texts }: PlannedPart): number => texts[0].chunks.length;

/** The text for a call, counted from 0; behind the last, WebUI is at the first again. */
export const textFor = ({ texts }: PlannedPart, call: number): number =>
  Math.max(
    texts.findIndex(({ until }) => call <= until),
    0,
  );

function plannedTexts(prompt: string, options: PlanOptions): PlannedText[] {
  const texts = promptSchedule(prompt, options.span).map(({ until, text }) => ({
    until,
    text,
    chunks: promptChunks(segmentsOf(text, options.emphasis), options.tokenizer, options),
  }));
  const most = texts.reduce((max, { chunks }) => Math.max(max, chunks.length), 0);
  const empty = emptyChunk(options.tokenizer, options.length);
  return texts.map((text) => ({
    ...text,
    chunks: [...text.chunks, ...Array<Chunk>(most - text.chunks.length).fill(empty)],
  }));
}

const segmentsOf = (text: string, emphasis: Emphasis): Segment[] =>
  emphasis === 'none' ? [{ text, weight: 1 }] : promptSegments(text);
