// Numbers and JSON as Python spells them, which the metadata of adapters follow.

/**
 * Python's json.dumps(), of a map as of an object: a space after commas and colons, other
 * characters than ASCII as \\u escapes.
 */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'number' && !Number.isInteger(value)) return pythonFloat(value);
  if (typeof value !== 'object' || value === null) return ascii(JSON.stringify(value));
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return `{${entries
    .map(([key, item]) => `${ascii(JSON.stringify(key))}: ${pythonJson(item)}`)
    .join(', ')}}`;
}

const ascii = (json: string) =>
  json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * repr() of a Python float: shortest digits that read back, an exponent below 1e-4 and from 1e16
 * on, at least one decimal.
 */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const [digits, exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16))
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  const plain = String(value);
  return /\./.test(plain) ? plain : `${plain}.0`;
}
