// Small zod builders that every folder uses to declare its options.
import { z } from 'zod';

/** Smallest float32 with all its digits, and the largest of all. */
const float32Limits = [2 ** -126, (2 - 2 ** -23) * 2 ** 127] as const;

/**
 * A finite number in [min, max]. The limits stop slips such as 1e4 for 1e-4. What is computed is
 * float32: a number that would become 0 or infinite there is refused.
 */
export const number = (min: number, max = Number.MAX_VALUE) =>
  z
    .number()
    .min(min)
    .max(max)
    .refine(
      (value) => value === 0 || isWithin(Math.abs(value), float32Limits),
      'expected a number that float32 can hold (1.2e-38 to 3.4e38)',
    );

const isWithin = (value: number, [least, most]: readonly [number, number]): boolean =>
  value >= least && value <= most;

/** A whole number in [min, max]. */
export const integer = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);

/** Text of at least one character that is not a space. */
export const text = () =>
  z
    .string()
    .min(1, { abort: true }) // else each check below has a say too
    .regex(/\S/, { error: 'text', abort: true });

/**
 * Says that an option means something to one kind of training only; it goes into the JSON Schema.
 */
export const forImages = { task: 'image' } as const;
export const forTexts = { task: 'text-generation' } as const;
