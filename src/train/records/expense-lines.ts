// What a run will take, and took, as lines of its log.

import { kilowattHours } from '../../account/account.ts';
import type { AccountEvent, Expense, ForecastEvent } from '../../events.ts';

/** `61.2 s, 0.0012 kWh, 0.0004 EUR (37 W, a guess …)` */
const expenseText = ({ seconds, joules, costs, power }: Expense): string =>
  [
    `${seconds.toFixed(1)} s`,
    `${kilowattHours(joules).toPrecision(3)} kWh`,
    ...costs.map(
      ({ amount, currency }) => `${amount.toPrecision(3)}${currency ? ` ${currency}` : ''}`,
    ),
  ].join(', ') + ` (${power.join('; ')})`;

export const expenseLines = (event: ForecastEvent | AccountEvent): string[] =>
  event.type === 'account' ? accountLines(event) : forecastLines(event);

const forecastLines = ({ step, expense, load, hint }: ForecastEvent): string[] => [
  `forecast after step ${step}: ${expenseText(expense)} in all${loadText(load)}`,
  ...(hint === undefined ? [] : [hint]),
];

const loadText = (load: number | undefined): string =>
  load === undefined ? '' : `, other programs had ${Math.round(load * 100)} % of the processor`;

function accountLines(account: AccountEvent): string[] {
  const { starts, peakMemory, memoryEstimate, forecast, load, hint } = account;
  const planned =
    memoryEstimate === undefined ? '' : `, the plan said ${mebibytes(memoryEstimate)}`;
  return [
    `account: ${expenseText(account)}${starts > 1 ? `, ${starts} starts` : ''}${loadText(load)}`,
    ...(peakMemory === undefined ? [] : [`peak memory: ${mebibytes(peakMemory)}${planned}`]),
    ...(forecast === undefined
      ? []
      : [
          `time of this start: ${forecast.took.seconds.toFixed(1)} s, the forecast said ${forecast.said.seconds.toFixed(1)} s`,
        ]),
    ...(hint === undefined ? [] : [hint]),
  ];
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
