// Steps of a tokenizer.json that the library here divides otherwise than the one in Rust, as
// expressions that both read alike.

type Step = Readonly<Record<string, unknown>>;

/** A step of `pre_tokenizer`, or a sequence of them. */
export function asExpressions(step: unknown): unknown {
  if (!isStep(step)) return step;
  if (Array.isArray(step.pretokenizers))
    return { ...step, pretokenizers: step.pretokenizers.map(asExpressions) };
  return typeof step.type === 'string' && Object.hasOwn(rewritten, step.type)
    ? rewritten[step.type](step)
    : step;
}

const isStep = (step: unknown): step is Step =>
  typeof step === 'object' && step !== null && !Array.isArray(step);

const rewritten: Readonly<Record<string, (step: Step) => unknown>> = {
  // those of all scripts: full-width ones, ½ and ① too
  Digits: ({ individual_digits }) =>
    pieces(individual_digits === true ? '\\p{N}' : '\\p{N}+', 'isolated'),
  Punctuation: ({ behavior = 'Isolated' }) => pieces('[\\p{P}!-/:-@\\[-`{-~]', String(behavior)),
  // letters of all scripts, not only Latin ones without accents
  Whitespace: () => pieces(`${word}+|[^${inWord}\\s]+`, 'only'),
  // white space of Unicode: with U+0085, and without U+FEFF, unlike JavaScript's
  ByteLevel: (step) =>
    step.use_regex === false || step.add_prefix_space === true
      ? step
      : { type: 'Sequence', pretokenizers: [pieces(gpt2, 'only'), { ...step, use_regex: false }] },
  FixedLength: ({ length }) => pieces(`[\\s\\S]{1,${Number(length)}}`, 'only'),
  Split: (step) =>
    isStep(step.pattern) && step.invert !== true
      ? pieces(expressionOf(step.pattern), String(step.behavior), step)
      : step,
};

const space = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
/** The expression of GPT-2, which ByteLevel has of its own. */
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|[${space}]+(?![^${space}])|[${space}]+`;

const inWord = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d';
const word = `[${inWord}]`;

const expressionOf = ({ Regex, String: text }: Step): string =>
  typeof Regex === 'string' ? Regex : String(text).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/**
 * The pieces of a text by what becomes of the places that fit; `otherwise` is for what the library
 * does as it should.
 */
function pieces(fit: string, behavior: string, otherwise?: Step): unknown {
  const rest = `(?:(?!${fit})[\\s\\S])`;
  const found: Readonly<Record<string, string>> = {
    only: fit,
    isolated: `(?:${fit})|${rest}+`,
    contiguous: `(?:${fit})+|${rest}+`,
    mergedwithprevious: `${rest}+(?:${fit})?|(?:${fit})`,
    mergedwithnext: `(?:${fit})${rest}*|${rest}+`,
  };
  const key = behavior.toLowerCase().replaceAll('_', '');
  if (otherwise !== undefined && (key === 'isolated' || key === 'removed')) return otherwise;
  return {
    type: 'Split',
    pattern: { Regex: key === 'removed' ? fit : found[key] },
    behavior: 'Removed',
    invert: key !== 'removed',
  };
}
