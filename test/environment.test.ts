// The same data and seed are the same bytes on every machine: language, time zone and clock have no
// say in training.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function trainedIn(environment: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    ['--import', 'tsx', 'test/environment.test-util.ts'],
    { env: { ...process.env, ...environment } },
  );
  return stdout;
}

test('a run in China and one in Turkey train the same bytes as one without a language', async () => {
  const plain = await trainedIn({ LC_ALL: 'C', LANG: 'C', TZ: 'UTC' });
  assert.match(plain, /^\[\[\["10\.PNG","IN THE 10 İIıi"/);
  for (const [language, zone] of [
    ['zh_CN.UTF-8', 'Asia/Shanghai'],
    ['tr_TR.UTF-8', 'Pacific/Kiritimati'],
  ])
    assert.equal(await trainedIn({ LC_ALL: language, LANG: language, TZ: zone }), plain, language);
});
