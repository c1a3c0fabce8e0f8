// logs/metrics.jsonl as it is read: the course of a run's losses.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export const METRICS_FILE = 'logs/metrics.jsonl';

export interface StepPoint {
  readonly step: number;
  /** Not finite where the run diverged. */
  readonly loss: number;
  /** The moving mean up to this step. */
  readonly average: number;
}

export interface ValidationPoint {
  readonly step: number;
  readonly loss: number;
}

/** Both by step, each step once. */
export interface Metrics {
  readonly steps: readonly StepPoint[];
  readonly validations: readonly ValidationPoint[];
}

/** JSON has no NaN: it is null there. */
const number = z.union([z.number(), z.null().transform(() => NaN)]);
const stepLine = z.object({ step: z.int(), loss: number, loss_average: number });
const validationLine = z.object({ step: z.int(), validation_loss: number });

/** What was recorded so far; lines that are cut short or of another kind are passed over. */
export function readMetrics(dir: string): Metrics {
  const lines = textOf(join(dir, METRICS_FILE)).split('\n').flatMap(parsed);
  const steps = lines.flatMap((line): StepPoint[] => {
    const { data } = stepLine.safeParse(line);
    return data === undefined
      ? []
      : [{ step: data.step, loss: data.loss, average: data.loss_average }];
  });
  const validations = lines.flatMap((line): ValidationPoint[] => {
    const { data } = validationLine.safeParse(line);
    return data === undefined ? [] : [{ step: data.step, loss: data.validation_loss }];
  });
  return { steps: latestOfEach(steps), validations: latestOfEach(validations) };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // nothing recorded yet
  }
}

function parsed(line: string): unknown[] {
  if (line === '') return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

/** A step that was computed again, after a crash, counts as it was computed last. */
const latestOfEach = <T extends { readonly step: number }>(points: readonly T[]): T[] =>
  [...new Map(points.map((point) => [point.step, point])).values()].sort((a, b) => a.step - b.step);
