// A question before something that cannot be undone.
import { createInterface } from 'node:readline/promises';
import { UserError } from '../index.ts';

interface Dialogue {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/**
 * Whether the answer is yes. Throws UserError where nobody is there to answer; `otherwise` is the
 * flag that answers beforehand.
 */
export async function confirmed(
  question: string,
  otherwise: string,
  { input, output }: Dialogue = { input: process.stdin, output: process.stdout },
): Promise<boolean> {
  if (input.isTTY !== true)
    throw new UserError([
      {
        where: otherwise,
        what: 'this is asked before, and there is no terminal to ask on',
        fix: `Nothing was removed. With ${otherwise} it is removed without asking.`,
      },
    ]);
  const dialogue = createInterface({ input, output });
  try {
    return /^(y|yes|是)$/i.test((await dialogue.question(`${question} [y/N] `)).trim());
  } finally {
    dialogue.close();
  }
}
