// The one rule of all writers for numbers that the wanted type cannot hold: what would be lost is
// measured; a tensor that would lose too much is written in float32, or refused where the format
// has no room for it; what is lost nevertheless is reported.

import { UserError, type Problem } from '../errors.ts';
import { fromFloat32, toFloat32, type FloatDType } from '../tensor/half.ts';
import { isTooNarrow, lossOf, type Loss } from '../tensor/narrow.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import { plural } from '../util/plural.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';

/** What the wanted type would lose, or loses, of one tensor of a file. */
export interface Narrowing {
  /** As the file calls it. */
  readonly name: string;
  /** The type that was asked for, as the format calls it. */
  readonly type: string;
  readonly loss: Loss;
  /** True where float32 was written instead, so that nothing is lost. */
  readonly widened: boolean;
}

export type TellNarrowing = (found: Narrowing) => void;

/** Values before they are rounded to the type that is written. */
export interface WideTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array;
}

/**
 * The type in which a tensor is written: `type`, or float32 where that would lose too much. Throws
 * UserError for numbers that are not finite, or that not even float32 holds.
 */
export function settledType<T extends string, W extends string>(
  { name, type, loss }: Omit<Narrowing, 'widened' | 'type'> & { readonly type: T },
  wide: W,
  tell: TellNarrowing,
): T | W {
  requireSound(name, loss);
  const widened = isTooNarrow(loss);
  if (widened || loss.lost > 0) tell({ name, type, loss, widened });
  return widened ? wide : type;
}

export function requireSound(name: string, { unsound }: Pick<Loss, 'unsound'>): void {
  if (unsound === 0) return;
  const what = `${unsound} of its numbers are NaN or infinite`;
  throw new UserError([{ where: name, what, fix: 'Use another copy of it, or train it again.' }]);
}

/** A tensor as it is written: in `dtype`, or in float32 where that would lose too much. */
export function narrowed(
  name: string,
  tensor: WideTensor,
  dtype: FloatDType,
  tell: TellNarrowing = () => {},
): Tensor {
  const { shape, data } = tensor;
  const loss = lossOf(data, dtype);
  const values = float32Values(name, tensor);
  const type = settledType({ name, type: dtype, loss }, 'float32' as const, tell);
  return fromFloat32({ dtype: 'float32', shape, data: values }, type);
}

/** Rounded to float32; throws where that is too narrow. */
export function float32Values(name: string, { data }: WideTensor): Float32Array {
  requireFloat32(name, data);
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

/** Throws where float32 itself is too narrow, and nothing wider can be written. */
export function requireFloat32(name: string, values: Float32Array | Float64Array): void {
  const loss = lossOf(values, 'float32');
  requireSound(name, loss);
  if (!isTooNarrow(loss)) return;
  const what = `${loss.lost} of its ${loss.nonZero} numbers are too small or too large for float32`;
  throw new UserError([{ where: name, what, fix: 'Use an alpha closer to the rank.' }]);
}

/** `values` times `factor`, not rounded. */
export function multiplied(tensor: Tensor, factor: number): WideTensor {
  const { shape, data } = toFloat32(tensor);
  if (factor === 1) return { shape, data };
  const product = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) product[i] = data[i] * factor;
  return { shape, data: product };
}

/** One problem for all tensors that were written wider: the first names, and how many there are. */
export function wideningProblems(found: readonly Narrowing[], fix: string): Problem[] {
  return problemsByKind(
    found
      .filter(({ widened }) => widened)
      .map(({ name, type, loss }) => ({
        where: name,
        what: `written in float32, because ${type} would lose numbers that are too small or too large for it`,
        detail: `${loss.lost} of ${loss.nonZero} numbers`,
        fix,
      })),
  );
}

/** A problem that stops nothing, as a line of text. */
export const noteOf = ({ where, what, fix }: Problem): string =>
  `${where}: ${what}${fix === undefined ? '' : `. ${fix}`}`;

/** What was written wider and what is lost, as lines of text. */
export function narrowingNotes(found: readonly Narrowing[]): string[] {
  const lossy = found.filter(({ widened }) => !widened);
  const lost = lossy.reduce((sum, { loss }) => sum + loss.lost, 0);
  const all = lossy.reduce((sum, { loss }) => sum + loss.nonZero, 0);
  return [
    ...wideningProblems(found, '').map(({ where, what }) => `${where}: ${what}`),
    ...(lossy.length > 0
      ? [
          `${lost} of ${all} numbers in ${plural(lossy.length, 'tensor')} are too small for ${lossy[0].type}: they became 0 or lost precision`,
        ]
      : []),
  ];
}
