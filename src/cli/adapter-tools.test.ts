import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAdapter } from '../index.ts';
import { commands } from './commands.ts';

const kohya = 'reference/golden/adapter_formats/kohya.safetensors';

/** What a command prints. */
async function printed(name: string, given: Readonly<Record<string, unknown>>): Promise<string> {
  const command = commands.find((one) => one.name === name) ?? assert.fail(name);
  const { write } = process.stdout;
  const parts: string[] = [];
  process.stdout.write = (text: string | Uint8Array) => parts.push(String(text)) > 0;
  try {
    assert.equal(await command.run(given), 0);
  } finally {
    process.stdout.write = write;
  }
  return parts.join('');
}

test('inspect, hash, convert, merge and resize, one after the other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lora-tools-'));
  try {
    const at = (name: string) => join(folder, name);
    const report = await printed('inspect', { adapter: kohya, json: true });
    assert.equal((JSON.parse(report) as { format: string }).format, 'kohya');
    assert.match(await printed('hash', { adapter: kohya }), /AutoV3/);
    const peft = { adapter: kohya, to: 'peft', output: at('peft') };
    assert.match(await printed('convert', peft), /6 modules for peft/);
    const both = { adapters: [at('peft'), kohya], weights: '1, -0.5', output: at('both') };
    assert.match(await printed('merge', both), /6 modules of/);
    const ranks = openAdapter(at('both')).modules.map(({ rank }) => rank);
    assert.deepEqual(new Set(ranks), new Set([2, 4]));
    const small = { adapter: at('both'), rank: '2', output: at('small') };
    assert.match(
      await printed('resize', small),
      /5 modules to rank 2: 100\.00 %|5 modules to rank 2: 99/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const [what, given, message] of [
  ['resize', { adapter: kohya, output: 'x.safetensors' }, /neither --rank nor --keep/],
  ['resize', { adapter: kohya, output: 'x.safetensors', rank: '8', keep: '0.5' }, /both are given/],
  ['resize', { adapter: kohya, output: 'x.safetensors', rank: 'many' }, /"many" is not a number/],
  ['merge', { adapters: [kohya], output: 'x.safetensors' }, /one adapter alone/],
  [
    'merge',
    { adapters: [kohya, kohya], output: 'x.safetensors', weights: '1,b' },
    /"b" is not a number/,
  ],
  ['merge', { adapters: [kohya], output: 'x', base: 'models/tiny-sd', rank: '4' }, /has no effect/],
  ['convert', { adapter: kohya, output: 'x.safetensors', to: 'webui' }, /expected one of kohya/],
  [
    'extract',
    { base: 'models/tiny-sd', tuned: 'models/tiny-sd', output: 'x.safetensors' },
    /neither/,
  ],
] as const)
  test(`lora ${what} says what is wrong with what it is given: ${String(message)}`, async () => {
    const command = commands.find(({ name }) => name === what) ?? assert.fail(what);
    await assert.rejects(async () => command.run(given), message);
    assert.ok(!existsSync('x.safetensors'));
  });
