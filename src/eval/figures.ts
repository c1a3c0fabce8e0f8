// The figures of a set in words, the same rows for the terminal and the page.
import { withCommas } from '../util/order.ts';
import type { SetResult, Tally, Totals } from './result.ts';

export interface FigureRow {
  readonly name: string;
  /** What the name means, for people who meet it for the first time. */
  readonly meaning: string;
  readonly base: string;
  readonly adapter: string;
  /** How far the adapter moved, in the direction that is better: above 0 better, below 0 worse. */
  readonly gain: number;
}

interface Figure {
  readonly name: string;
  readonly meaning: string;
  readonly text: (totals: Totals) => string | undefined;
  readonly height: (totals: Totals) => number;
}

/** Neither 0 nor 100 % by rounding: 39 of 42 are not all. */
export function share(value: number): string {
  const rounded = Math.round(value * 100);
  return `${value > 0 && rounded === 0 ? 1 : value < 1 && rounded === 100 ? 99 : rounded} %`;
}

const tally = ({ done, of }: Tally): string => `${done} of ${of}`;
const ratio = (value: Tally | undefined): number =>
  value === undefined ? 0 : value.done / value.of;
const optional = <T>(value: T | undefined, text: (value: T) => string): string | undefined =>
  value === undefined ? undefined : text(value);

export const perplexityText = (value: number): string =>
  value < 100 ? value.toPrecision(3) : value < 1e6 ? withCommas(value) : value.toExponential(1);

const figures: readonly Figure[] = [
  {
    name: 'score',
    meaning: 'out of 100: mean of words shared and facts contained; 0 with a forbidden phrase',
    text: ({ score }) => optional(score, (value) => String(Math.round(value * 100))),
    height: ({ score = 0 }) => score,
  },
  {
    name: 'facts contained',
    meaning: 'required facts that the answers contain',
    text: ({ facts }) => optional(facts, tally),
    height: ({ facts }) => ratio(facts),
  },
  {
    name: 'nothing forbidden',
    meaning: 'answers without a forbidden phrase',
    text: ({ clean }) => optional(clean, tally),
    height: ({ clean }) => ratio(clean),
  },
  {
    name: 'as expected',
    meaning: 'answers that are the expected one, word for word',
    text: ({ exact }) => optional(exact, tally),
    height: ({ exact }) => ratio(exact),
  },
  {
    name: 'words shared',
    meaning: 'overlap with the expected answers (F1; characters in Chinese)',
    text: ({ overlap }) => optional(overlap, share),
    height: ({ overlap = 0 }) => overlap,
  },
  {
    name: 'perplexity',
    meaning:
      'of the expected answers: how unlikely the model finds them; lower is better, 1 is the lowest',
    text: ({ perplexity }) => optional(perplexity, perplexityText),
    height: ({ perplexity = 1 }) => -Math.log(perplexity),
  },
];

/** A row for each figure that the set has. */
export function figureRows({ base, adapter }: SetResult): FigureRow[] {
  return figures.flatMap(({ name, meaning, text, height }) => {
    const [before, after] = [text(base), text(adapter)];
    return before === undefined || after === undefined
      ? []
      : [
          {
            name,
            meaning,
            base: before,
            adapter: after,
            gain: before === after ? 0 : height(adapter) - height(base),
          },
        ];
  });
}
