// A byte-level BPE learned from text (Sennrich et al. 2016, arXiv 1508.07909; on bytes as in
// GPT-2), as a tokenizer.json of Hugging Face.

/**
 * The split before the merges, as Qwen 2 has it (llama.cpp: "qwen2"): each digit alone, so that
 * numbers are copied digit by digit.
 */
const SPLIT = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** The same for this Node, which knows no (?i: …). */
const split = new RegExp(
  SPLIT.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"),
  'gu',
);

/**
 * The letter of each byte: printable ones stand for themselves, the others are moved to U+0100 and
 * on.
 */
const byteLetters: readonly string[] = (() => {
  let next = 256;
  const isPrintable = (byte: number): boolean =>
    (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  );
})();

export interface BpeOptions {
  readonly texts: Iterable<string>;
  /** Tokens that are no text; they come first. */
  readonly special: readonly string[];
  /** Number of tokens: the special ones, the 256 bytes, and as many merges as are left. */
  readonly size: number;
}

/** A word of the text as the symbols it is made of so far. */
interface Word {
  symbols: string[];
  readonly count: number;
}

/**
 * The content of tokenizer.json. The most frequent pair of neighbours within a word is merged,
 * again and again; of equally frequent ones the first by code units: the same text gives the same
 * file. Fewer tokens than `size` where no pair is left that occurs twice.
 */
export function trainBpe({ texts, special, size }: BpeOptions) {
  const words = wordsOf(texts);
  const vocabulary = [...special, ...byteLetters];
  const merges: string[] = [];
  while (vocabulary.length < size) {
    const pair = mostFrequent(words);
    if (pair === undefined) break;
    merges.push(pair.join(' '));
    vocabulary.push(pair.join(''));
    for (const word of words) merge(word, pair);
  }
  return tokenizerFile(special, vocabulary, merges);
}

function wordsOf(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const [word] of text.matchAll(split)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const encoder = new TextEncoder();
  return Array.from(counts, ([word, count]) => ({
    symbols: Array.from(encoder.encode(word), (byte) => byteLetters[byte]),
    count,
  }));
}

type Pair = readonly [string, string];

function mostFrequent(words: readonly Word[]): Pair | undefined {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words) {
    for (let i = 1; i < symbols.length; i++) {
      const key = `${symbols[i - 1]} ${symbols[i]}`; // a space is no letter of a byte
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  const best = [...counts].reduce(
    (a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a),
    ['', 1],
  );
  if (best[1] < 2) return undefined;
  const [left, right] = best[0].split(' ');
  return [left, right];
}

function merge(word: Word, [left, right]: Pair): void {
  const { symbols } = word;
  if (!symbols.some((symbol, i) => symbol === left && symbols[i + 1] === right)) return;
  word.symbols = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    word.symbols.push(isPair ? left + right : symbols[i]);
    if (isPair) i++;
  }
}

function tokenizerFile(
  special: readonly string[],
  vocabulary: readonly string[],
  merges: readonly string[],
) {
  const flags = {
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: SPLIT }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpeModel(vocabulary, merges),
  };
}

const bpeModel = (vocabulary: readonly string[], merges: readonly string[]) => ({
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
  merges,
});
