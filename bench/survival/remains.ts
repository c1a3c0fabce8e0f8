// What is left of a run, compared byte for byte with what is left of another one; times are no part
// of it.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readFacts } from '../../src/runs/facts.ts';
import { dataOffset } from '../../src/tensor/safetensors.ts';

/** Entries of metadata that tell times, or hash those that do. */
const timed = /^(ss_training_(started|finished)_at|ss_session_id|modelspec\.date|sha256)$/;

/** Every file of the run by its name, without earlier runs in the folder, and without times. */
export function remainsOf(dir: string): ReadonlyMap<string, Buffer> {
  const names = existsSync(dir) ? readdirSync(dir, { recursive: true, encoding: 'utf8' }) : [];
  const files = names
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => !/^runs(\/|$)|train\.log$|account\.json$/.test(name))
    .filter((name) => statSync(join(dir, name)).isFile())
    .sort();
  return new Map(
    files.map((name) => [
      name.replace(/tfevents\.\d+/, 'tfevents'),
      Buffer.from(essence(dir, name)),
    ]),
  );
}

function essence(dir: string, name: string): Uint8Array | string {
  const bytes = readFileSync(join(dir, name));
  if (name.endsWith('.safetensors')) return withoutTimes(bytes);
  if (/run(\.copy)?\.json$/.test(name)) return recordOf(dir);
  if (name.endsWith('timings.jsonl')) return bytes.toString().replaceAll(/,"time".*/g, '');
  if (name.includes('tfevents')) return String(bytes.length);
  if (name.endsWith('config.yaml'))
    return bytes
      .toString()
      .replaceAll(dirname(dir), '.')
      .replace(/^backup_dir.*\n/m, '');
  return bytes;
}

function withoutTimes(bytes: Buffer): Uint8Array {
  const start = dataOffset(bytes);
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const kept = Object.entries<string>(header.__metadata__ ?? {}).filter(
    ([key]) => !timed.test(key),
  );
  const metadata = kept.map(([key, value]) => [
    key,
    key === 'lora_scripts_state' ? stateOf(value) : value,
  ]);
  const text = JSON.stringify({ ...header, __metadata__: metadata });
  return Buffer.concat([Buffer.from(text), bytes.subarray(start)]);
}

/** Without seconds, paths and the lengths of records that tell times. */
function stateOf(text: string): unknown {
  const { step, holders } = JSON.parse(text);
  return { step, ...holders, statistics: holders.statistics.loss };
}

/** What run.json says, without times, processes and paths. */
function recordOf(dir: string): string {
  const facts = readFacts(dir);
  if (facts === undefined) return '';
  const { plan, seed, files, checkpoints, changes, current, decisions, finished } = facts;
  const saved = checkpoints.map(({ step, final, loss, validationLoss, asBest, files: of }) => ({
    ...{ step, final, loss, validationLoss, asBest },
    files: of.map(({ name }) => name),
  }));
  const isDone = finished !== undefined;
  const { memoryEstimate: _, ...planned } = plan ?? {};
  const rest = { seed, changes, current, decisions, isDone, files: [...files].sort() };
  return JSON.stringify({ plan: planned, saved, ...rest });
}

export interface Differences {
  /** Of files that should be there: bytes that are not, or are others. */
  readonly bytes: number;
  readonly files: readonly string[];
  readonly compared: number;
}

/** What `found` lacks of `expected`, has otherwise, or has besides. */
export function differences(
  expected: ReadonlyMap<string, Buffer>,
  found: ReadonlyMap<string, Buffer>,
  but: RegExp = /^$/,
): Differences {
  const names = [...new Set([...expected.keys(), ...found.keys()])].filter(
    (name) => !but.test(name),
  );
  const lost = names.map((name) => [name, lostBytes(expected.get(name), found.get(name))] as const);
  return {
    bytes: lost.reduce((sum, [, count]) => sum + count, 0),
    files: lost.flatMap(([name, count]) => (count > 0 ? [name] : [])),
    compared: [...expected.values()].reduce((sum, { length }) => sum + length, 0),
  };
}

function lostBytes(expected: Buffer = Buffer.alloc(0), found: Buffer = Buffer.alloc(0)): number {
  let count = Math.abs(expected.length - found.length);
  const both = Math.min(expected.length, found.length);
  for (let i = 0; i < both; i++) if (expected[i] !== found[i]) count++;
  return count;
}

/** Bytes of checkpoints that run.json names and that are not as it says: none, at any moment. */
export function tornBytes(dir: string): number {
  const facts = existsSync(dir) ? readFacts(dir) : undefined;
  const files = (facts?.checkpoints ?? []).flatMap((one) => one.files);
  const torn = files.filter(({ name, sha256 }) => {
    const path = join(dir, name);
    return (
      !existsSync(path) || createHash('sha256').update(readFileSync(path)).digest('hex') !== sha256
    );
  });
  return torn.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The steps as they were computed, those of all starts: from the log, which keeps everything. */
export function stepsComputed(dir: string): number[] {
  const path = join(dir, 'logs/train.log');
  if (!existsSync(path)) return [];
  return [...readFileSync(path, 'utf8').matchAll(/ step (\d+)\/\d+ /g)].map(([, step]) =>
    Number(step),
  );
}
