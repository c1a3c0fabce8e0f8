// A graphics card that is lost between two steps.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { SystemError } from '../errors.ts';
import { losingCard } from '../runtime/testing/losing-card.ts';
import type { RuntimeOptions } from '../runtime/runtime.ts';
import { train } from './run.ts';
import { writePictures, writeSmallBase } from './testing/small-base.ts';

const root = mkdtempSync(join(tmpdir(), 'lost-card-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
writeSmallBase(join(root, 'base'));
await writePictures(join(root, 'data'), [
  [64, 64],
  [64, 64],
]);

async function losses(name: string, lostAt: number): Promise<number[]> {
  const job = parseConfig({
    base_model: join(root, 'base'),
    train_data_dir: join(root, 'data'),
    output_dir: join(root, name),
    max_train_steps: 4,
    save_steps: 2,
    lora_rank: 2,
    num_threads: 1,
  });
  const found: number[] = [];
  const open = (options: RuntimeOptions) => losingCard(lostAt, options);
  for await (const event of train(job, { open })) if (event.type === 'step') found.push(event.loss);
  return found;
}

test('a card that is lost at step 3 ends the run with one message, and the same command goes on from step 2', async () => {
  const whole = await losses('whole', Infinity);
  await assert.rejects(losses('lost', 3), (error) => {
    assert.ok(error instanceof SystemError);
    assert.equal(error.problems.length, 1);
    assert.match(error.message, /Test 9000: .*was lost.*What was saved is intact/s);
    return true;
  });
  assert.deepEqual(readdirSync(join(root, 'lost', 'state')).at(-1), 'step-00000002.safetensors');
  assert.deepEqual(await losses('lost', Infinity), whole.slice(2));
});
