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

const forecastLines = ({ expense, load, hint }: ForecastEvent): string[] => [
  `  about ${expenseText(expense)} in all ${colours.dim(`(${expense.power.join('; ')})`)}`,
  ...(isBusy(load) ? [colours.dim(`  ${busyNow(load)}`)] : []),
  ...hintLines(hint),
];

const hintLines = (hint: string | undefined): string[] =>
  hint === undefined ? [] : [colours.dim(`  ${hint}`)];

/** From this share on other programs are told of. */
const BUSY = 0.1;

const isBusy = (load: number | undefined): load is number => load !== undefined && load >= BUSY;

const share = (load: number): string => `${Math.round(load * 100)} %`;

const busyNow = (load: number): string =>
  `Other programs have ${share(load)} of the processor time that this run could use: it takes less time once they end.`;

/** What the processor was busy with besides, when it was planned and in the end. */
function busyLines(took: number | undefined, said: number | undefined): string[] {
  if (!isBusy(took) && !isBusy(said)) return [];
  const planned = said === undefined ? '' : `, ${share(said)} when the time was estimated`;
  const text = `other programs had ${share(took ?? 0)} of the processor time that it could use${planned}`;
  return [row('', colours.dim(text))];
}

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
  const paid = [energy(joules), ...costs.map(money)].join(', ');
  return [
    '',
    row(
      'time',
      `${duration(seconds)}${starts > 1 ? ` in ${starts} starts` : ''}${timeBeside(forecast)}`,
    ),
    ...busyLines(account.load, forecast?.said.load),
    row('energy', `${paid} ${colours.dim(`(${power.join('; ')})`)}${energyBeside(forecast)}`),
    ...(peakMemory === undefined
      ? []
      : [row('peak memory', `${bytes(peakMemory)}${memoryBeside(peakMemory, memoryEstimate)}`)]),
    ...hintLines(account.hint),
  ];
}

type Beside = AccountEvent['forecast'];

const timeBeside = (forecast: Beside): string =>
  forecast === undefined
    ? ''
    : ` ${beside(duration(forecast.said.seconds), forecast.took.seconds, forecast.said.seconds)}`;

const energyBeside = (forecast: Beside): string =>
  forecast?.said.joules === undefined || forecast.took.joules === undefined
    ? ''
    : ` ${beside(energy(forecast.said.joules), forecast.took.joules, forecast.said.joules)}`;

const memoryBeside = (found: number, estimate: number | undefined): string =>
  estimate === undefined ? '' : ` ${beside(bytes(estimate), found, estimate)}`;
