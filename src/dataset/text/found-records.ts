// The records that a file holds, whatever its form.
import type { FoundProblem } from '../../util/problems-by-kind.ts';

export interface TextRecord {
  /** From 1. */
  readonly line: number;
  readonly value: unknown;
}

export interface FoundRecords {
  readonly records: readonly TextRecord[];
  readonly problems: readonly FoundProblem[];
  readonly warnings?: readonly FoundProblem[];
  /** Of a CSV file: the names in its first line, in lower case. */
  readonly columns?: { readonly line: number; readonly names: readonly string[] };
}
