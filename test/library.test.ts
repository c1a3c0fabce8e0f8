// The programs in docs/library.md run as they stand there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'library.md'), 'utf8');
const programs = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);

/** A folder that looks like a project with the package installed, run from its sources. */
function projectFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lora-library-'));
  for (const name of ['models', 'configs', 'data', 'node_modules'])
    symlinkSync(join(root, name), join(folder, name));
  return folder;
}

test('docs/library.md has programs', () => assert.ok(programs.length >= 4));

const hasLanguageModel = existsSync(join(root, 'models/tiny-llm/model.safetensors'));

for (const [index, program] of programs.entries()) {
  const skip =
    program.includes('models/tiny-llm') &&
    !hasLanguageModel &&
    'models/tiny-llm has no weights yet';
  test(`program ${index + 1} of docs/library.md runs`, { skip }, () => {
    const folder = projectFolder();
    try {
      // fewer steps than the page shows: the program is what is tested here, not the adapter
      const code = program
        .replaceAll("'lora-scripts'", JSON.stringify(join(root, 'src', 'index.ts')))
        .replace(/max_train_steps: \d+/, 'max_train_steps: 2');
      writeFileSync(join(folder, 'program.mts'), code);
      execFileSync(process.execPath, ['--import', 'tsx', 'program.mts'], {
        cwd: folder,
        stdio: 'pipe',
        env: { ...process.env, LORA_SCRIPTS_CACHE: join(folder, 'cache') },
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
