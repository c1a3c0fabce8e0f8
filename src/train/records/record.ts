// The written records of a run: each is a consumer of its events, as the terminal is.

import { isOfTask, type LoadedConfig } from '../../config/load.ts';
import { publishedText } from '../../config/published.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { SystemError, type Problem } from '../../errors.ts';
import type { WarningEvent } from '../../events.ts';
import { reasonOf } from '../../util/caught.ts';
import type { TrainEvent } from '../events.ts';
import { TIMINGS_FILE } from '../../runs/last-seen.ts';
import type { RunFolder } from '../../runs/run-folder.ts';
import { logLines } from './log.ts';
import { metricsLine, timingsLine, validationLine } from './metrics.ts';
import { EventFile } from './tensorboard.ts';

export const LOG_FILE = 'logs/train.log';
const METRICS_FILE = 'logs/metrics.jsonl';

type Record = (event: TrainEvent, at: Date) => void;

/**
 * Passes events on and writes them to the folder that `open` makes when the plan is known; what
 * came before the plan is written then, so that a run that fails before it leaves nothing behind.
 */
export async function* recorded(
  events: AsyncIterable<TrainEvent>,
  open: () => Opened,
): AsyncGenerator<TrainEvent> {
  const early: Entry[] = [];
  let records: Records | undefined;
  try {
    for await (const event of events) {
      const entry = { event, at: new Date() };
      if (records === undefined) early.push(entry);
      else yield* records.write(entry);
      if (event.type === 'plan') {
        const opened = open();
        records = new Records(openRecords(opened));
        for (const problem of opened.problems) yield { type: 'warning', problem };
        for (const before of early) yield* records.write(before);
      }
      yield event;
    }
  } catch (error) {
    records?.writeLog({ event: failure(error), at: new Date() });
    throw error;
  }
}

interface Opened {
  readonly folder: RunFolder;
  /** With what the run itself decided. */
  readonly job: LoadedConfig;
  /** What was found when it was opened. */
  readonly problems: readonly Problem[];
}

interface Entry {
  readonly event: TrainEvent;
  readonly at: Date;
}

/**
 * The records of a run in progress. A record that the disk refuses (a full disk, a limit on the
 * size of files) does not end the run, whose weights are worth more: it is reported once.
 */
class Records {
  #told = false;

  /** The log first. */
  constructor(readonly records: readonly Record[]) {}

  *write({ event, at }: Entry): Generator<WarningEvent> {
    const refused = this.records.flatMap((record) => refusal(() => record(event, at)));
    if (refused.length === 0 || this.#told) return;
    this.#told = true;
    const [{ where, what, fix }] = refused;
    const problem = {
      where,
      what: `${what}. The run goes on, keeps its records in memory, and tries again`,
      fix,
    };
    yield { type: 'warning', problem };
  }

  /** Into the log alone: the others hold numbers. */
  writeLog({ event, at }: Entry): void {
    refusal(() => this.records[0](event, at));
  }
}

/** What the disk has against `write`. */
function refusal(write: () => void): readonly Problem[] {
  try {
    write();
    return [];
  } catch (error) {
    if (error instanceof SystemError) return error.problems;
    throw error;
  }
}

function failure(error: unknown): TrainEvent {
  return {
    type: 'warning',
    problem: {
      where: 'training',
      what: `ended by an error: ${reasonOf(error)}`,
    },
  };
}

function openRecords({ folder, job }: Opened): Record[] {
  folder.keep('config.yaml', configText(job.published));
  const log: Record = (event, at) => {
    const lines = logLines(event).map(
      (line) => `${at.toISOString()}  ${publishedText(line, job)}\n`,
    );
    if (lines.length > 0) folder.append(LOG_FILE, lines.join(''));
  };
  const metrics: Record = (event) => {
    if (event.type === 'validation') folder.append(METRICS_FILE, validationLine(event));
    if (event.type === 'step') folder.append(METRICS_FILE, metricsLine(event));
  };
  const timings: Record = (event, at) => {
    if (event.type === 'step') folder.append(TIMINGS_FILE, timingsLine(event, at));
  };
  return [
    log,
    metrics,
    timings,
    ...(job.config.tensorboard
      ? [new EventFile(folder, new Date(folder.facts.started)).record]
      : []),
  ];
}

const head = `# The configuration of this run, with every default filled in.
# Paths are as they were written: relative to the folder that the command ran in, or to that of its file.
`;

/**
 * The configuration with every key that means something to its task, as YAML (of which JSON's
 * values are a part).
 */
function configText(config: TrainConfig): string {
  const lines = Object.entries(config).flatMap(([key, value]) =>
    value === undefined || !isOfTask(key, config.task_type)
      ? []
      : [`${key}: ${JSON.stringify(value)}`],
  );
  return `${head}${lines.join('\n')}\n`;
}
