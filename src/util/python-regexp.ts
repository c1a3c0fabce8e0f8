// Regular expressions of Python's re, as PEFT's configurations have them, in JavaScript.

/**
 * Matches where Python's re.fullmatch does; undefined for what JavaScript cannot express. Named
 * groups, \A, \Z and flags at the beginning are translated; all else is the same in both.
 */
export function fullMatch(expression: string): RegExp | undefined {
  const [, flags = '', rest] = /^(?:\(\?([ims]+)\))?([^]*)$/.exec(expression) ?? [, '', expression];
  const translated = rest
    .replace(/\(\?P</g, '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(
      /(\\[^AZ])|\\A|\\Z/g,
      (found, other?: string) => other ?? (found === '\\A' ? '^' : '$'),
    );
  try {
    return new RegExp(`^(?:${translated})$`, flags);
  } catch {
    return undefined;
  }
}
