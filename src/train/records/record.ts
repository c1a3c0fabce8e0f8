// The written records of a run: each is a consumer of its events, as the terminal is.

import type { LoadedConfig } from '../../config/load.ts';
import type { TrainConfig } from '../../config/schema.ts';
import type { TrainEvent } from '../events.ts';
import type { RunFolder } from '../run-folder.ts';
import { logLines } from './log.ts';
import { metricsLine, validationLine } from './metrics.ts';
import { EventFile } from './tensorboard.ts';

export const LOG_FILE = 'logs/train.log';

type Record = (event: TrainEvent, at: Date) => void;

/**
 * Passes events on and writes them to the folder that `open` makes when the plan is known; what
 * came before the plan is written then, so that a run that fails before it leaves nothing behind.
 */
export async function* recorded(
  events: AsyncIterable<TrainEvent>,
  { config }: LoadedConfig,
  open: () => RunFolder,
): AsyncGenerator<TrainEvent> {
  const early: { readonly event: TrainEvent; readonly at: Date }[] = [];
  let records: readonly Record[] | undefined;
  const write = ({ event, at }: (typeof early)[number]) =>
    records?.forEach((record) => record(event, at));
  try {
    for await (const event of events) {
      const entry = { event, at: new Date() };
      if (records === undefined) early.push(entry);
      else write(entry);
      if (event.type === 'plan') {
        records = openRecords(open(), config);
        early.forEach(write);
      }
      yield event;
    }
  } catch (error) {
    records?.[0](failure(error), new Date()); // the log alone: the others hold numbers
    throw error;
  }
}

function failure(error: unknown): TrainEvent {
  return {
    type: 'warning',
    problem: {
      where: 'training',
      what: `ended by an error: ${error instanceof Error ? error.message : String(error)}`,
    },
  };
}

function openRecords(folder: RunFolder, config: TrainConfig): Record[] {
  folder.write('config.yaml', configText(config));
  const log: Record = (event, at) =>
    logLines(event).forEach((line) => folder.append(LOG_FILE, `${at.toISOString()}  ${line}\n`));
  const metrics: Record = (event, at) => {
    if (event.type === 'step') folder.append('logs/metrics.jsonl', metricsLine(event, at));
    if (event.type === 'validation') folder.append('logs/metrics.jsonl', validationLine(event, at));
  };
  return [log, metrics, ...(config.tensorboard ? [new EventFile(folder, new Date()).record] : [])];
}

/**
 * The configuration with every key it was run with, as YAML (of which JSON's values are a part).
 */
export function configText(config: TrainConfig): string {
  const lines = Object.entries(config).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}: ${JSON.stringify(value)}`],
  );
  return `# The configuration of this run, with every default filled in.\n${lines.join('\n')}\n`;
}
