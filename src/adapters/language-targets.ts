// Which layers of a language model carry an adapter, and of what size, by PEFT's rules for matching
// names.

import { ConfigError, type Problem } from '../errors.ts';
import type { Layer } from './layers.ts';
import type { LoraSize } from './lora-module.ts';

export interface LanguageTargetOptions {
  /**
   * Names such as `q_proj` or `layers.0.self_attn.q_proj`, each meaning every module whose path is
   * it or ends in `.` and it; or one text: `all-linear` for every linear layer but the output head,
   * else a regular expression of whole paths, or one such name.
   */
  readonly target_modules: string | readonly string[];
  readonly lora_rank: number;
  readonly lora_alpha: number;
  /**
   * Ranks that differ, by the end of the path as a regular expression; the first match counts.
   */
  readonly rank_pattern?: Readonly<Record<string, number>>;
  readonly alpha_pattern?: Readonly<Record<string, number>>;
  /** Scale by alpha / √rank in place of alpha / rank (Kalajdzievski, arXiv 2312.03732). */
  readonly use_rslora?: boolean;
}

/** Every linear layer but the output head. */
const ALL_LINEAR = 'all-linear';
/** The output head, by its own name or that of the embedding it shares. */
const HEADS: readonly string[] = ['lm_head', 'model.embed_tokens'];

/**
 * The size of each layer's adapter, by its path; layers without one are absent. The alpha is what
 * gives the scale when divided by the rank: under rsLoRA that is alpha · √rank. Throws ConfigError
 * naming every target and pattern that fits no layer, or is not a regular expression.
 */
export function languageTargets(
  layers: readonly Layer[],
  options: LanguageTargetOptions,
): Map<string, LoraSize> {
  const problems: Problem[] = [];
  const targets = targetsOf(options.target_modules, layers, problems);
  const ranks = patternsOf('rank_pattern', options.rank_pattern, targets, problems);
  const alphas = patternsOf('alpha_pattern', options.alpha_pattern, targets, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return new Map(
    targets.map(({ path }) => {
      const rank = ranks(path) ?? options.lora_rank;
      const alpha = alphas(path) ?? options.lora_alpha;
      return [path, { rank, alpha: options.use_rslora === true ? alpha * Math.sqrt(rank) : alpha }];
    }),
  );
}

function targetsOf(
  wanted: string | readonly string[],
  layers: readonly Layer[],
  problems: Problem[],
): Layer[] {
  const adaptable = layers.filter(({ path }) => path !== 'model.embed_tokens');
  if (typeof wanted === 'string') {
    if (wanted === ALL_LINEAR)
      return layers.filter(({ kind, path }) => kind === 'linear' && !HEADS.includes(path));
    const whole = expression(`^(?:${wanted})$`, 'target_modules', problems);
    const found = adaptable.filter(({ path }) => whole?.test(path) ?? false);
    if (found.length === 0 && /^[\w.-]+$/.test(wanted))
      return targetsOf([wanted], layers, problems);
    if (whole !== undefined && found.length === 0)
      problems.push(fitsNothing('target_modules', wanted, adaptable));
    return found;
  }
  const fits = (name: string, path: string) => path === name || path.endsWith(`.${name}`);
  const isTied = adaptable.length < layers.length;
  for (const name of wanted)
    if (!adaptable.some(({ path }) => fits(name, path)))
      problems.push(
        name === 'lm_head' && isTied ? sharedHead : fitsNothing('target_modules', name, adaptable),
      );
  return adaptable.filter(({ path }) => wanted.some((name) => fits(name, path)));
}

/** The value of the first pattern that fits a path. */
function patternsOf(
  key: string,
  patterns: Readonly<Record<string, number>> = {},
  layers: readonly Layer[],
  problems: Problem[],
): (path: string) => number | undefined {
  let left = layers;
  const rules = Object.entries(patterns).flatMap(([pattern, value]) => {
    const end = expression(`^(?:.*\\.)?(?:${pattern})$`, key, problems);
    if (end === undefined) return [];
    const fits = ({ path }: Layer): boolean => end.test(path);
    if (layers.length > 0 && !layers.some(fits))
      problems.push(fitsNothing(key, pattern, layers, 'that target_modules names'));
    else if (layers.length > 0 && !left.some(fits)) problems.push(comesTooLate(key, pattern));
    left = left.filter((layer) => !fits(layer));
    return [{ end, value }];
  });
  return (path) => rules.find(({ end }) => end.test(path))?.value;
}

const comesTooLate = (where: string, pattern: string): Problem => ({
  where,
  what: `${JSON.stringify(pattern)} has no effect: patterns before it match all of its layers, and the first match counts`,
  fix: 'Write it before them, or leave it out.',
});

function expression(source: string, where: string, problems: Problem[]): RegExp | undefined {
  try {
    return new RegExp(source);
  } catch (cause) {
    problems.push({
      where,
      what: cause instanceof Error ? cause.message : String(cause),
      fix: 'Write a regular expression that matches whole paths, or a list of names.',
    });
    return undefined;
  }
}

const sharedHead = {
  where: 'target_modules',
  what: 'lm_head shares the weights of the input embeddings in this model, so it cannot have an adapter of its own',
  fix: 'Leave it out.',
};

function fitsNothing(
  where: string,
  name: string,
  layers: readonly Layer[],
  which = 'of this model',
): Problem {
  const ends = [...new Set(layers.map(({ path }) => path.slice(path.lastIndexOf('.') + 1)))];
  return {
    where,
    what: `${JSON.stringify(name)} matches no layer ${which}`,
    fix: `Choose from ${ends.join(', ')}.`,
  };
}
