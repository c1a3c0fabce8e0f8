// A TensorBoard event file: records of protobuf messages, after tensorflow's event.proto and its
// TFRecord format.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PbfWriter } from 'pbf';
import { crc32c } from '../../util/crc.ts';
import type { StepEvent } from '../../events.ts';
import type { TrainEvent } from '../events.ts';
import type { RunFolder } from '../../runs/run-folder.ts';

export interface Scalars {
  /** Seconds since 1970. */
  readonly time: number;
  readonly step: number;
  /** By tag: `loss`, `lr/unet`. */
  readonly values: Readonly<Record<string, number>>;
}

/** One event file for a run, appended to step by step. */
export class EventFile {
  readonly #name: string;

  constructor(
    readonly folder: RunFolder,
    started: Date,
  ) {
    const seconds = Math.floor(started.getTime() / 1000);
    this.#name = `logs/events.out.tfevents.${seconds}.lora-scripts`;
    if (!existsSync(join(folder.dir, this.#name)))
      folder.append(this.#name, record(versionEvent(started.getTime() / 1000)));
  }

  readonly record = (event: TrainEvent, at: Date): void => {
    const values = scalarsOf(event);
    if (values !== undefined)
      this.folder.append(
        this.#name,
        record(
          scalarEvent({ time: at.getTime() / 1000, step: values.step, values: values.scalars }),
        ),
      );
  };
}

/** The numbers of an event that has some. */
function scalarsOf(
  event: TrainEvent,
): { readonly step: number; readonly scalars: Readonly<Record<string, number>> } | undefined {
  if (event.type === 'validation')
    return {
      step: event.step,
      scalars: {
        validation_loss: event.loss,
        validation_train_loss: event.trainLoss,
        ...(event.perplexity !== undefined && { perplexity: event.perplexity }),
      },
    };
  return event.type === 'step' ? { step: event.step, scalars: stepScalars(event) } : undefined;
}

function stepScalars(event: StepEvent): Record<string, number> {
  const rates = Object.entries(event.learningRates).map(
    ([group, rate]) => [`lr/${group}`, rate] as const,
  );
  return {
    loss: event.loss,
    loss_average: event.lossAverage,
    ...Object.fromEntries(rates),
    grad_norm: event.gradNorm,
  };
}

/** The first message of every event file. */
function versionEvent(time: number): Uint8Array {
  const p = new PbfWriter();
  p.writeDoubleField(1, time); // wall_time
  p.writeStringField(3, 'brain.Event:2'); // file_version
  return p.finish();
}

export function scalarEvent({ time, step, values }: Scalars): Uint8Array {
  const p = new PbfWriter();
  p.writeDoubleField(1, time);
  p.writeVarintField(2, step);
  p.writeMessage(5, writeSummary, values);
  return p.finish();
}

function writeSummary(values: Scalars['values'], p: PbfWriter): void {
  for (const entry of Object.entries(values)) p.writeMessage(1, writeValue, entry);
}

function writeValue([tag, value]: readonly [string, number], p: PbfWriter): void {
  p.writeStringField(1, tag);
  p.writeFloatField(2, value); // simple_value
}

/** TFRecord: length (uint64), its checksum, the bytes, their checksum; little-endian. */
export function record(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, masked(crc32c(out.subarray(0, 8))), true);
  out.set(bytes, 12);
  view.setUint32(12 + bytes.length, masked(crc32c(bytes)), true);
  return out;
}

/** A checksum of data that itself holds checksums is rotated and shifted. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
