// Settings of a training of texts that need less memory, with what each needs.

import type { LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { ConfigKey, TrainConfig } from '../../config/schema.ts';
import type { SmallerRun, TaskContext } from '../task.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';
import type { TextShape } from './language-loss.ts';
import { textMemoryPlan } from './memory-plan.ts';

interface Source {
  readonly context: Pick<TaskContext, 'runtime'>;
  readonly adapted: AdaptedLanguageModel;
  readonly base: LanguageModelWeights;
  readonly config: TrainConfig;
  /** The largest of the run. */
  readonly shape: TextShape;
  /** Tokens of the shortest text: where none fits whole, no end of an answer is learned. */
  readonly shortest: number;
  /** Whether all rows have one length: a long run may spend memory on the speed of its program. */
  readonly isEven: boolean;
}

type Settings = readonly { readonly key: ConfigKey; readonly value: unknown }[];

const halves = (most: number, least: number): number[] =>
  most <= least ? [] : [Math.ceil(most / 2), ...halves(Math.ceil(most / 2), least)];

/** No rows are shorter. */
const SHORTEST = 64;

/**
 * Layers computed twice, which changes no number; smaller batches with as many more of them; both;
 * then shorter rows.
 */
export function smallerRuns(source: Source): SmallerRun[] {
  const { config, shape, shortest } = source;
  const twice: Settings = config.gradient_checkpointing
    ? []
    : [{ key: 'gradient_checkpointing', value: true }];
  const batches = halves(shape.rows, 1).map((rows) => batchSettings(source, rows));
  const least = [...(batches.at(-1) ?? []), ...twice];
  const lengths = halves(shape.length, Math.max(SHORTEST, shortest))
    .filter((length) => length >= shortest)
    .map((length): Settings => [...least, { key: 'max_seq_length', value: length }]);
  const both = twice.length === 0 ? [] : batches.map((settings) => [...settings, ...twice]);
  const mute = hasPreviewsAlone(config)
    ? [[...least, { key: 'sample_prompts', value: [] } as const]]
    : [];
  return [...(twice.length === 0 ? [] : [twice]), ...batches, ...both, ...mute, ...lengths].map(
    (settings) => run(source, settings),
  );
}

/** Whether nothing is answered once there are no prompts. */
const hasPreviewsAlone = ({ sample_prompts, eval_path }: TrainConfig): boolean =>
  sample_prompts.length > 0 && eval_path === undefined;

const batchSettings = ({ config, shape }: Source, rows: number): Settings => [
  { key: 'batch_size', value: rows },
  {
    key: 'gradient_accumulation_steps',
    value: Math.ceil((shape.rows * config.gradient_accumulation_steps) / rows),
  },
];

/** Of a run that is long enough to spend memory on speed. */
const LONG = 2 ** 20;

function run(source: Source, settings: Settings): SmallerRun {
  const { context, adapted, base, config, shape, isEven } = source;
  const changed: TrainConfig = {
    ...config,
    ...Object.fromEntries(settings.map(({ key, value }) => [key, value])),
  };
  const length = Math.min(shape.length, changed.max_seq_length);
  const smaller = { ...shape, rows: Math.min(shape.rows, changed.batch_size), length };
  const plan = textMemoryPlan(context.runtime, adapted, base, smaller, changed);
  const mayBeEven = isEven || length < shape.length;
  const spent = mayBeEven ? plan.spentOn({ runs: LONG, spare: plan.spare }) : 0;
  return { settings, bytes: plan.bytes + spent };
}
