// Every example in configs/ runs as its first line says, for a few steps, with the losses of a
// list.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig, train } from '../src/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const listPath = join(root, 'test', 'data', 'example-losses.json');
/** Written anew by TEST_UPDATE=1, when an example or the base model changes. */
// written by this test
const list = JSON.parse(readFileSync(listPath, 'utf8')) as Record<string, number[]>;
const STEPS = 3;
/** Kernels differ from one processor to the next in the order of their sums. */
const TOLERANCE = 1e-3;

const folder = mkdtempSync(join(tmpdir(), 'lora-examples-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function losses(config: string): Promise<number[]> {
  process.env.LORA_SCRIPTS_CACHE = join(folder, 'cache');
  const job = loadConfig(config, {
    max_train_steps: STEPS,
    save_steps: 0,
    output_dir: join(folder, 'run'),
    sample_prompts: [],
  });
  const found: number[] = [];
  for await (const event of train(job)) if (event.type === 'step') found.push(event.loss);
  return found;
}

/** Why an example cannot run yet, if so: its embedded base has no weights. */
function reason(config: string): string | false {
  const base = loadConfig(config, {}).config.base_model;
  return existsSync(join(base, 'model_index.json')) || existsSync(join(base, 'model.safetensors'))
    ? false
    : `${base} has no weights yet`;
}

for (const name of readdirSync(join(root, 'configs')).filter((file) => file.endsWith('.yaml'))) {
  test(`configs/${name}`, { skip: reason(join(root, 'configs', name)) }, async () => {
    const [first] = readFileSync(join(root, 'configs', name), 'utf8').split('\n');
    assert.equal(first, `# ./lora train --config configs/${name}`);
    const found = await losses(join(root, 'configs', name));
    if (process.env.TEST_UPDATE === '1') {
      list[name] = found;
      return writeFileSync(listPath, `${JSON.stringify(list, null, 2)}\n`);
    }
    assert.equal(found.length, STEPS);
    found.forEach((loss, i) =>
      assert.ok(
        Math.abs(loss / list[name][i] - 1) < TOLERANCE,
        `step ${i + 1}: ${loss}, not ${list[name][i]}`,
      ),
    );
  });
}
