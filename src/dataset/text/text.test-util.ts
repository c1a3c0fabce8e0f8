// A tokenizer of the golden file and files of samples, for the tests of this folder.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTextTokenizer, type TextTokenizer } from '../../tokenizer/text.ts';

interface Golden {
  readonly tokenizers: Readonly<
    Record<string, { readonly files: Readonly<Record<string, unknown>> }>
  >;
}

/** A folder with these files, removed after use. */
export async function withFolder<T>(
  files: Readonly<Record<string, string | Uint8Array>>,
  use: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'text-data-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * `gpt2`, `llama3` (begins a text with <s>), `llama2` or `unigram`, from
 * reference/text_tokenizers.py.
 */
export function goldenTokenizer(name: string): Promise<TextTokenizer> {
  const golden: Golden = JSON.parse(
    readFileSync(
      new URL('../../../reference/golden/text_tokenizers.json', import.meta.url),
      'utf8',
    ),
  );
  const files = Object.entries(golden.tokenizers[name].files).map(([file, content]) => [
    file,
    JSON.stringify(content),
  ]);
  return withFolder(Object.fromEntries(files), readTextTokenizer);
}
