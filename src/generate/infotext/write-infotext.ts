// The text in which WebUI keeps how a picture was made, as WebUI 1.10 words it.

import { strip } from '../../util/python-text.ts';

export interface InfotextParts {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** In the order in which they are to stand; what is undefined is left out. */
  readonly fields: readonly (readonly [string, string | number | undefined])[];
}

/** Prompt, negative prompt where there is one, and a line of all settings. */
export function writeInfotext({ prompt, negativePrompt = '', fields }: InfotextParts): string {
  const settings = fields.flatMap(([key, value]) =>
    value === undefined ? [] : [key === value ? key : `${key}: ${quoted(value)}`],
  );
  const negative = negativePrompt === '' ? '' : `\nNegative prompt: ${negativePrompt}`;
  return strip(`${prompt}${negative}\n${settings.join(', ')}`);
}

/** A value with a comma, a colon or a new line stands in quotes, as JSON. */
const quoted = (value: string | number): string =>
  /[,:\n]/.test(String(value)) ? JSON.stringify(value) : String(value);
