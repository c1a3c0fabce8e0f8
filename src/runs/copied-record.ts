// Records of a run that it cannot go on without: each has a copy beside the states, so that a file
// that was cut short, damaged or deleted costs nothing.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DataError, type Problem } from '../errors.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { codeOf, reasonOf } from '../util/caught.ts';

export interface CopiedRecord<T> {
  readonly name: string;
  /** Of its copy, in a folder of the run. */
  readonly copy: string;
  /** Takes what the JSON says; throws where it is not such a record. */
  readonly parse: (value: unknown) => T;
  /** What to do where both are damaged. */
  readonly fix: string;
}

export interface FoundRecord<T> {
  readonly value: T;
  /** What it was read from. */
  readonly json: unknown;
  /** Where the copy had to be taken. */
  readonly damage?: Problem;
}

/**
 * Undefined where the folder has no such file, nor a copy. Throws DataError where it is damaged or
 * not ours, and its copy is no better.
 */
export function readRecord<T>(dir: string, record: CopiedRecord<T>): FoundRecord<T> | undefined {
  const path = join(dir, record.name);
  try {
    return parsed(path, record);
  } catch (error) {
    const [isGone, copy] = [isAbsent(error), copyOf(dir, record)];
    if (isGone && copy === undefined) return undefined;
    const what = isGone
      ? 'is gone'
      : `is damaged, or is not of a run: ${reasonOf(error).split('\n')[0]}`;
    if (copy === undefined) throw new DataError([{ where: path, what, fix: record.fix }]);
    const fix = `Its copy, ${record.copy}, was taken in its place.`;
    return { ...copy, damage: { where: path, what, fix } };
  }
}

/** The file, and its copy where the folder of that is there. Throws SystemError. */
export function writeRecord(
  dir: string,
  { name, copy }: Pick<CopiedRecord<unknown>, 'name' | 'copy'>,
  text: string,
): void {
  writeFileAtomically(join(dir, name), text);
  const beside = join(dir, copy);
  if (existsSync(dirname(beside))) writeFileAtomically(beside, text);
}

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');

function parsed<T>(path: string, { parse }: CopiedRecord<T>): FoundRecord<T> {
  const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return { value: parse(json), json };
}

function copyOf<T>(dir: string, record: CopiedRecord<T>): FoundRecord<T> | undefined {
  try {
    return parsed(join(dir, record.copy), record);
  } catch {
    return undefined;
  }
}
