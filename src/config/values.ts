// Text into the value a key wants ("1e-4" -> 0.0001), and values and limits into words for
// messages, help and docs.
import type { KeySchema } from './schema.ts';

const isNumeric = (text: string) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim());
const truths: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};
const wants = (schema: KeySchema, type: string): boolean =>
  schema.type === type || (schema.anyOf?.some((option) => wants(option, type)) ?? false);

/**
 * Quoted numbers and truth values, single prompts and "a,b" pairs as the key wants them; anything
 * else unchanged.
 */
export function fromText(schema: KeySchema, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const ascii = value.normalize('NFKC').trim(); // full-width digits of a Chinese keyboard
  if ((wants(schema, 'number') || wants(schema, 'integer')) && isNumeric(ascii))
    return Number(ascii);
  if (schema.type === 'boolean' && Object.hasOwn(truths, ascii.toLowerCase()))
    return truths[ascii.toLowerCase()];
  if (schema.type === 'array' && schema.prefixItems)
    return value.split(',').map((part) => (isNumeric(part) ? Number(part) : part));
  if (schema.type === 'array') return [value];
  if (schema.type === 'object') return pairs(value);
  return value;
}

/** `q_proj=8,v_proj=4` -> { q_proj: 8, v_proj: 4 }. */
function pairs(text: string): unknown {
  const parts = text.split(',').map((part) => /^(.+)[=:](.+)$/.exec(part.trim()));
  if (parts.some((part) => part === null)) return text;
  return Object.fromEntries(
    parts.flatMap((part) =>
      part === null ? [] : [[part[1].trim(), isNumeric(part[2]) ? Number(part[2]) : part[2]]],
    ),
  );
}

/** What is expected, in words: `a number from 0 to 10`. */
export function expected(schema: KeySchema): string {
  if (schema.expected !== undefined) return schema.expected;
  if (schema.enum)
    return schema.enum.length === 1 ? schema.enum[0] : `one of ${schema.enum.join(', ')}`;
  if (schema.prefixItems) return 'two numbers from 0 to below 1, such as [0.9, 0.999]';
  if (schema.type === 'array') return 'a list of texts';
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'string') return 'text';
  return `a ${schema.type === 'integer' ? 'whole ' : ''}number${limits(schema)}`;
}

/** The limits of a number: ` from 0 to 10`, ` above 0`. */
function limits({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: KeySchema): string {
  if (exclusiveMaximum !== undefined) return ` from ${minimum ?? 0} to below ${exclusiveMaximum}`;
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (exclusiveMinimum !== undefined)
    return ` above ${exclusiveMinimum}${bounded ? `, at most ${maximum}` : ''}`;
  if (minimum === undefined) return bounded ? ` of at most ${maximum}` : '';
  return bounded ? ` from ${minimum} to ${maximum}` : `, ${minimum} or more`;
}

/** A value as the user would recognise it, cut when long. */
export function show(value: unknown): string {
  if (value === null) return 'nothing';
  if (typeof value === 'number') return String(value); // JSON has no infinity
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
