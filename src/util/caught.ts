// What a caught value says.

/** The code of a refusal of the system, e.g. ENOENT; undefined where it is another failure. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** Its message, or what was thrown if that is no Error. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
