// The score of what must not be seen.

/**
 * Added to scores that a softmax is to leave out: exp of it is 0 in every float type, and it stays
 * finite when two are added.
 */
export const HIDDEN = -1e9;
