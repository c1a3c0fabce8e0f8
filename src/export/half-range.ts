// Numbers that float16 cannot hold are refused by the name of their weight.

import { UserError } from '../errors.ts';

/** Numbers from here on round to infinity in float16. */
const FLOAT16_END = 65520;

/** Throws UserError where a value is too large. */
export function requireFloat16Range(name: string, data: Float32Array, fix: string): void {
  const beyond = data.find((value) => Math.abs(value) >= FLOAT16_END);
  if (beyond !== undefined)
    throw new UserError([
      { where: name, what: `the weight has ${beyond}, more than float16 holds (65504)`, fix },
    ]);
}
