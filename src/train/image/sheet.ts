// The contact sheet at the end of a run: each sample prompt without and with the adapter, and with
// the best checkpoint where that is another one.

import { readPictureLora } from '../../adapter-files/picture-lora.ts';
import { stableDiffusionPaths } from '../../adapters/stable-diffusion-paths.ts';
import { liveMix } from '../live-adapter.ts';
import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { drawContactSheet, type SheetColumn } from '../../generate/contact-sheet.ts';
import type { Adapter } from '../../generate/mix.ts';
import { createImageGenerator } from '../../generate/text-to-image.ts';
import type { ClipTokenizer } from '../../tokenizer/clip.ts';
import { type DoneEvent, type PhaseEvent, phase } from '../../events.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { AdaptedModel } from './adapted-model.ts';
import type { SizedConfig } from './sizes.ts';

export interface SheetSource {
  readonly base: StableDiffusionWeights;
  readonly config: SizedConfig;
  readonly adapted: AdaptedModel;
  readonly tokenizer: ClipTokenizer;
  readonly runtime: Runtime;
}

const NAME = 'drawing the contact sheet';

/** Draws with the adapter as it is now. */
export const sheetGenerator = ({ base, config, adapted, tokenizer, runtime }: SheetSource) =>
  createImageGenerator({
    checkpoint: base,
    tokenizer,
    mix: liveMix(adapted),
    runtime,
    clipSkip: config.clip_skip,
  });

export interface SheetMoment {
  /** Of the weights as they are now. */
  readonly step: number;
  /** The checkpoint that is offered in their place. */
  readonly better?: DoneEvent['best'];
}

/** The bytes of a PNG; undefined where there are no sample prompts. */
export async function* drawSheet(
  source: SheetSource,
  moment: SheetMoment,
): AsyncGenerator<PhaseEvent, Uint8Array | undefined> {
  const { config } = source;
  if (config.sample_prompts.length === 0) return undefined;
  const generator = sheetGenerator(source);
  const options = {
    generator,
    prompts: config.sample_prompts,
    negativePrompt: config.sample_negative_prompt,
    seeds: [config.sample_seed, config.sample_seed + 1],
    steps: config.sample_steps,
    guidance: config.sample_cfg,
    columns: sheetColumns(source, moment),
  };
  try {
    yield phase(NAME);
    return yield* reported((onProgress) => drawContactSheet({ ...options, onProgress }));
  } finally {
    await generator.release();
  }
}

/** What is drawn beside the base model: what is offered as the result is never left out. */
function sheetColumns(
  { base, adapted }: SheetSource,
  { step, better }: SheetMoment,
): readonly SheetColumn[] {
  const mix = liveMix(adapted);
  if (better === undefined) return [{ label: 'with LoRA', mix }];
  const { modules } = readPictureLora(better.adapter, stableDiffusionPaths(base.config));
  const best: Adapter = { name: better.adapter, modules };
  return [
    { label: `best, step ${better.step}`, mix: [{ adapter: best, strength: 1 }] },
    { label: `last, step ${step}`, mix },
  ];
}

/** Work that reports by callback, as phase events. */
async function* reported<T>(
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): AsyncGenerator<PhaseEvent, T> {
  const events: PhaseEvent[] = [];
  let [isOver, wake] = [false, () => {}];
  const over = () => {
    isOver = true;
    wake();
  };
  const result = work((done, total) => {
    events.push(phase(NAME, done, total));
    wake();
  });
  result.then(over, over);
  while (!isOver || events.length > 0) {
    const event = events.shift();
    if (event !== undefined) yield event;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  return result;
}
