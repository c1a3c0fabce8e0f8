// Works that are all done, also where one before them fails.

/** Does one after the other; throws the first error when all were tried. */
export async function inTurn(works: readonly (() => Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const work of works) await work().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
