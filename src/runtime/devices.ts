// What a run may be told to compute on.

/** `auto` takes what suits the machine. */
export const devices = ['auto', 'cpu'] as const;
export type Device = (typeof devices)[number];
