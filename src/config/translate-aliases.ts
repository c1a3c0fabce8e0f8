// The keys of other trainers of language models (axolotl, LLaMA-Factory, mlx-lm, PEFT, TRL,
// unsloth) as ours.
import { aliases } from './language-aliases.ts';
import type { KeyNote } from './paths.ts';
import type { ConfigKey } from './schema.ts';

type Values = Readonly<Record<string, unknown>>;

export interface Translated {
  /** With our keys alone, and those that nobody knows. */
  readonly values: Values;
  readonly problems: readonly KeyNote[];
  /** What is read otherwise than the other trainer does. */
  readonly notes: readonly KeyNote[];
  /** Keys without effect. */
  readonly ignored: readonly string[];
  /** Keys with nothing behind them that stand for one of ours, which no other key gives. */
  readonly empty: readonly { readonly key: string; readonly ours: ConfigKey }[];
  /** Our key -> the one it was given as. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** These tell a file of a trainer of language models that does not say so. */
const telling = [
  'sequence_len',
  'cutoff_len',
  'finetuning_type',
  'fine_tune_type',
  'lora_parameters',
  'peft_type',
  'sample_packing',
  'lora_target_linear',
  'train_on_inputs',
];

/**
 * Whether the values are those of a language model: by `task_type`, as PEFT writes it too, or by
 * keys that nobody else has.
 */
export function isForTexts({ task_type: task, ...values }: Values): boolean {
  if (task === undefined || task === null) return telling.some((key) => Object.hasOwn(values, key));
  return task === 'text-generation' || /^causal_?lm$/i.test(String(task));
}

/**
 * Replaces aliases by our keys. A key of ours that is there too, or is meant twice, is a problem
 * unless both say the same.
 */
export function translate(given: Values): Translated {
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(given).filter(([key]) => !Object.hasOwn(aliases, key)),
  );
  const [problems, notes, ignored]: [KeyNote[], KeyNote[], string[]] = [[], [], []];
  const empty: Translated['empty'][number][] = [];
  const renamed = new Map<string, string>();
  values.task_type = 'text-generation';
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(aliases, key) || value === undefined) continue;
    if (value === null) {
      empty.push(...emptyOf(key, given));
      continue;
    }
    const { means = {}, refused, note, fix, unused } = aliases[key](value, given);
    const remedy = fix === undefined ? {} : { fix };
    if (unused === true) ignored.push(key);
    if (refused !== undefined) problems.push({ key, what: refused, ...remedy });
    if (note !== undefined) notes.push({ key, what: note, ...remedy });
    for (const [ours, meant] of Object.entries(means)) {
      const other =
        renamed.get(ours) ??
        (Object.hasOwn(values, ours) && values[ours] !== null ? ours : undefined);
      if (other === undefined) renamed.set(ours, key);
      else if (JSON.stringify(values[ours]) !== JSON.stringify(meant))
        problems.push({
          key,
          what: `means the same as ${other}, which is there too`,
          fix: 'Keep one of the two lines.',
        });
      values[ours] = meant;
    }
  }
  const missing = empty.filter(({ ours }) => (values[ours] ?? null) === null);
  return { values, problems, notes, ignored, empty: missing, renamed };
}

/** The keys of ours that one with nothing behind it stands for; none where it asks for nothing. */
function emptyOf(key: string, given: Values): Translated['empty'] {
  const { means = {} } = aliases[key]('', given);
  // the names of a Partial over our keys are our keys
  const [ours] = Object.keys(means) as ConfigKey[];
  return ours === undefined ? [] : [{ key, ours }];
}
