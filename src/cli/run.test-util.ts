// Commands run within the test's own process, and a folder for their files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Command } from './command.ts';
import { createProgram } from './program.ts';
import { report } from './report.ts';

/**
 * What one of `commands` prints when it is called with `words`, without colours, and its exit code.
 */
export async function runCommand(
  commands: readonly Command[],
  words: readonly string[],
): Promise<{ text: string; code: number }> {
  let text = '';
  let code = -1;
  const { write } = process.stdout;
  // The test runner's own reports are bytes.
  process.stdout.write = (chunk: string | Uint8Array) =>
    typeof chunk === 'string' ? ((text += chunk), true) : write.call(process.stdout, chunk);
  try {
    await createProgram(commands, '1', (given) => (code = given)).parseAsync([...words], {
      from: 'user',
    });
  } catch (error) {
    const found = report(error);
    [text, code] = [text + found.text, found.exitCode];
  } finally {
    process.stdout.write = write;
  }
  return { text: stripVTControlCharacters(text), code };
}

export function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lora-command-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
