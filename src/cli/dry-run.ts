// lora train --dry-run: what the run would be and take; nothing is trained or written.
import {
  type ForecastEvent,
  InternalError,
  kilowattHours,
  type LoadedConfig,
  type PlanEvent,
  type Problem,
  trainInProcess,
} from '../index.ts';
import { createProgress } from './progress.ts';

const interrupted = 130;

interface DryRun {
  readonly plan: PlanEvent;
  readonly forecast: ForecastEvent;
  readonly warnings: readonly Problem[];
}

/** To standard output; the exit code. */
export async function showDryRun(
  job: LoadedConfig,
  { json }: { readonly json: boolean },
): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  const progress = createProgress(json ? process.stderr : process.stdout);
  const quiet = json && !process.stderr.isTTY;
  try {
    const found = await tried(job, stopping.signal, (event) => {
      if (!quiet) progress.show(event);
    });
    if (stopping.signal.aborted) return interrupted;
    if (json) process.stdout.write(jsonText(found));
    else progress.note('Nothing was trained or written.');
    return 0;
  } finally {
    process.off('SIGINT', stop);
    progress.close();
  }
}

type Event = Parameters<ReturnType<typeof createProgress>['show']>[0];

async function tried(
  job: LoadedConfig,
  signal: AbortSignal,
  show: (event: Event) => void,
): Promise<Partial<DryRun>> {
  const warnings: Problem[] = [];
  let [plan, forecast]: [PlanEvent?, ForecastEvent?] = [];
  for await (const event of trainInProcess(job, { resume: 'dry-run', kill: signal })) {
    show(event);
    if (event.type === 'plan') plan = event;
    if (event.type === 'forecast') forecast = event;
    if (event.type === 'warning') warnings.push(event.problem);
  }
  return { plan, forecast, warnings };
}

/** Keys in the spelling of files; docs/cost.md. */
function jsonText({ plan, forecast, warnings }: Partial<DryRun>): string {
  if (plan === undefined || forecast === undefined)
    throw new InternalError('a dry run without a plan or a forecast');
  const { expense, processorSeconds, load, hint } = forecast;
  const { type: _, memoryEstimate, secondsEstimate: __, ...facts } = plan;
  const told = {
    ...facts,
    memoryBytes: memoryEstimate,
    seconds: expense.seconds,
    processorSeconds,
    load,
    kilowattHours: kilowattHours(expense.joules),
    costs: expense.costs,
    power: { of: expense.power, isMeasured: expense.isMeasured, hint },
    warnings,
  };
  return `${JSON.stringify(told, null, 2)}\n`;
}
