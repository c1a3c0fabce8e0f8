// The records that a file holds, whatever its form.
import type { Problem } from '../../errors.ts';

export interface TextRecord {
  /** From 1. */
  readonly line: number;
  readonly value: unknown;
}

export interface FoundRecords {
  readonly records: readonly TextRecord[];
  readonly problems: readonly Problem[];
  /** Of a CSV file: the names in its first line, in lower case. */
  readonly columns?: { readonly line: number; readonly names: readonly string[] };
}
