// Small zod builders that every folder uses to declare its options.
import { z } from 'zod';

/** A finite number in [min, max]. The limits stop slips such as 1e4 for 1e-4. */
export const number = (min: number, max = Number.MAX_VALUE) => z.number().min(min).max(max);

/** A whole number in [min, max]. */
export const integer = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().min(min).max(max);

/** Text of at least one character that is not a space. */
export const text = () => z.string().min(1).regex(/\S/, 'text');

/**
 * Marks an option that means something to one kind of training only; it goes into the JSON Schema.
 */
export const forImages = { task: 'image' } as const;
export const forTexts = { task: 'text-generation' } as const;
