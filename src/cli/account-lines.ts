// What a run takes in words: time, energy, cost and memory, beside what was promised.
import { type AccountEvent, type Expense, type ForecastEvent, kilowattHours } from '../index.ts';
import { colours } from './colours.ts';
import { bytes, duration } from './format.ts';

/** `0.35 Wh`, `12 Wh`, `1.2 kWh`. */
export function energy(joules: number): string {
  const kwh = kilowattHours(joules);
  const digits = (value: number) => (value < 10 ? value.toPrecision(2) : value.toFixed(0));
  return kwh < 1 ? `${digits(kwh * 1000)} Wh` : `${digits(kwh)} kWh`;
}

/** `0.42 EUR`, `0.0012 EUR`: two digits that say something. */
export function money({ amount, currency }: Expense['costs'][number]): string {
  const text = amount >= 0.1 || amount === 0 ? amount.toFixed(2) : amount.toPrecision(2);
  return currency === undefined ? text : `${text} ${currency}`;
}

/** `4 min 10 s, 5.2 Wh, 0.0016 EUR` */
const expenseText = ({ seconds, joules, costs }: Expense): string =>
  [duration(seconds), energy(joules), ...costs.map(money)].join(', ');

const forecastLines = ({ expense }: ForecastEvent): string[] => [
  `  about ${expenseText(expense)} in all ${colours.dim(`(${expense.power.join('; ')})`)}`,
];

/** `+8 %`: how much more than was said. */
const difference = (found: number, said: number): string => {
  const percent = Math.round((found / said - 1) * 100);
  return `${percent > 0 ? '+' : ''}${percent} %`;
};

const beside = (said: string, found: number, expected: number): string =>
  colours.dim(`(the plan said ${said}: ${difference(found, expected)})`);

const row = (name: string, text: string): string => `  ${colours.dim(name.padEnd(13))}  ${text}`;

/** What a run will take, or took. */
export const expenseLines = (event: ForecastEvent | AccountEvent): string[] =>
  event.type === 'forecast' ? forecastLines(event) : accountLines(event);

function accountLines(account: AccountEvent): string[] {
  const { seconds, starts, joules, costs, power, peakMemory, memoryEstimate, forecast } = account;
  const time =
    forecast === undefined
      ? ''
      : ` ${beside(duration(forecast.seconds), forecast.took, forecast.seconds)}`;
  const memory =
    memoryEstimate === undefined || peakMemory === undefined
      ? ''
      : ` ${beside(bytes(memoryEstimate), peakMemory, memoryEstimate)}`;
  const paid = [energy(joules), ...costs.map(money)].join(', ');
  return [
    '',
    row('time', `${duration(seconds)}${starts > 1 ? ` in ${starts} starts` : ''}${time}`),
    row('energy', `${paid} ${colours.dim(`(${power.join('; ')})`)}`),
    ...(peakMemory === undefined ? [] : [row('peak memory', `${bytes(peakMemory)}${memory}`)]),
  ];
}
