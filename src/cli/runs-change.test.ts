import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { lock, makeRun, rawFacts, testFolder } from '../runs/made-run.test-util.ts';
import { commands } from './commands.ts';
import { confirmed } from './confirm.ts';
import { runCommand } from './run.test-util.ts';

const run = (...words: string[]) => runCommand(commands, ['runs', ...words]);

test('lora runs rollback tells which files are of which step, and the way back', async (t) => {
  const dir = makeRun(testFolder(t), { steps: [200, 400], result: 600 });
  const { text, code } = await run('rollback', `${dir}@200`);
  assert.equal(code, 0);
  assert.match(text, /✓ brand\.safetensors, pytorch_lora_weights\.safetensors: of step 200 now/);
  assert.match(
    text,
    /step 600 is kept as brand-step00000600\.safetensors\n {2}lora runs rollback brand@600 takes/,
  );
  assert.match((await run('rollback', `${dir}@200`)).text, /already of step 200/);
  const unnamed = await run('rollback', dir);
  assert.equal(unnamed.code, 1);
  assert.match(unnamed.text, /names no checkpoint; there are 200, 400, 600/);
});

test('lora runs rollback of a run that is not done says from where a training goes on', async (t) => {
  const dir = makeRun(testFolder(t), { ended: false });
  assert.match((await run('rollback', `${dir}@200`)).text, /goes on from step 400 all the same/);
});

test('lora runs tag gives, moves and takes away', async (t) => {
  const dir = makeRun(testFolder(t), { result: 400 });
  assert.match((await run('tag', `${dir}@200`, 'shop')).text, /step 200 of brand is called shop\n/);
  assert.match(
    (await run('tag', dir, 'shop')).text,
    /step 400 .* called shop; step 200 was before/,
  );
  assert.match(
    (await run('tag', dir, 'shop', '--delete')).text,
    /step 400 is no longer called shop/,
  );
  assert.equal((await run('tag', dir, 'shop', '--delete')).code, 1);
});

test('lora runs rm asks; without a terminal it removes only with --yes', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'), { result: 400, facts: { tags: [{ tag: 'shop', step: 200 }] } });
  makeRun(join(dir, 'b'), { name: 'talk' });
  const asked = await run('rm', join(dir, 'a'), join(dir, 'b'));
  assert.equal(asked.code, 1);
  assert.match(asked.text, /brand, 20260131-120000: done, 400 steps, .*; tagged shop\n/);
  assert.match(asked.text, /Nothing was removed/);
  assert.match(
    (await run('rm', `${join(dir, 'b')}@200`, '-y')).text,
    /✓ step 200 of talk is removed/,
  );
  assert.match((await run('rm', join(dir, 'a'), join(dir, 'b'), '-y')).text, /talk .* is removed/);
  assert.deepEqual(readdirSync(dir), []);
});

test('one run of several that is at work keeps all of them', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'));
  makeRun(join(dir, 'b'));
  lock(join(dir, 'b'));
  assert.equal((await run('rm', join(dir, 'a'), join(dir, 'b'), '-y')).code, 1);
  assert.ok(existsSync(join(dir, 'a/run.json')));
});

test('a question is answered with yes by y, yes and 是 alone', async () => {
  const answer = async (text: string) => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const output = new PassThrough();
    const result = confirmed('Remove it?', '--yes', { input, output });
    input.end(`${text}\n`);
    return result;
  };
  for (const text of ['y', 'Y', ' yes ', '是']) assert.equal(await answer(text), true, text);
  for (const text of ['', 'n', 'no', 'yesterday']) assert.equal(await answer(text), false, text);
});

test('lora runs prune removes the older ones, tells which, and with --dry-run removes nothing', async (t) => {
  const dir = makeRun(testFolder(t), {
    steps: [1, 2, 3, 4],
    result: 4,
    heldBack: { 2: 0.1, 4: 0.5 },
    facts: { tags: [{ tag: 'shop', step: 1 }] },
  });
  const dry = await run('prune', dir, '--keep', '1', '--dry-run');
  assert.match(
    dry.text,
    /brand: would be removed: 3 \(.*\); kept: 1 \(shop\), 2 \(best\), 4 \(current\)/,
  );
  assert.ok(existsSync(join(dir, 'brand-step00000003.safetensors')));
  assert.match((await run('prune', dir, '-k', '1')).text, /✓ brand: removed: 3/);
  assert.ok(!existsSync(join(dir, 'brand-step00000003.safetensors')));
  assert.match((await run('prune', dir, '-k', '1')).text, /nothing to remove/);
  for (const keep of ['-1', '1.5', 'all', ''])
    assert.match((await run('prune', dir, `--keep=${keep}`)).text, /expected a whole number/);
  assert.match((await run('prune', `${dir}@3`, '-k', '1')).text, /there is no such checkpoint/);
  assert.match((await run('prune', `${dir}@4`, '-k', '1')).text, /names one checkpoint/);
});

test('lora runs verify ends with exit code 1 where a file is damaged, and names it', async (t) => {
  const dir = makeRun(testFolder(t), { result: 400 });
  const good = await run('verify', dir);
  assert.deepEqual([good.code, good.text.split(':')[0]], [0, '✓ brand (20260131-120000)']);
  writeFileSync(join(dir, 'brand.safetensors'), 'torn');
  const bad = await run('verify', dir);
  assert.equal(bad.code, 1);
  assert.match(
    bad.text,
    /✗ brand .*\n {2}.*brand\.safetensors: has 4 bytes; \d+ were saved\n {6}Copy/,
  );
  const { runs } = JSON.parse((await run('verify', dir, '--json')).text);
  assert.equal(runs[0].problems.length, 1);
});

test('a folder of runs that was named was said to have none: verify and cost take all of them', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'output/a'), { name: 'a', id: '20260131-120000', result: 400 });
  makeRun(join(dir, 'output/b'), { name: 'b', id: '20260202-120000', result: 400 });
  const output = join(dir, 'output');
  const both = await run('verify', output, join(output, 'a'));
  assert.equal(both.code, 0);
  assert.deepEqual(both.text.match(/✓ \w/g), ['✓ a', '✓ b']);
  assert.match((await run('cost', output)).text, /a[^]*b/);
  for (const words of [
    ['show', output],
    ['rm', output, '--yes'],
    ['compare', output, output],
  ]) {
    const { text, code } = await run(...words);
    assert.equal(code, 1);
    assert.match(text, /is a folder with runs in it, not a run\n.*output\/a, .*output\/b\.\n/);
  }
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  assert.match((await run('verify', empty)).text, /the folder has no run in it/);
});

test('lora runs verify looks at the copies, and makes those that are missing', async (t) => {
  const place = testFolder(t);
  const backup_dir = join(place, 'disk');
  const dir = makeRun(join(place, 'brand'), { result: 400, settings: { backup_dir } });
  const away = await run('verify', dir);
  assert.equal(away.code, 0);
  assert.match(away.text, /disk: there is no such folder: adapters are not copied there/);
  mkdirSync(backup_dir);
  assert.match((await run('verify', dir)).text, /copied to backup_dir: .*brand-step00000200/);
  assert.match((await run('verify', dir)).text, /every file is in backup_dir, as saved/);
});

test('lora runs verify finishes the removal of a run that was cut short', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'), { result: 400 });
  mkdirSync(join(dir, 'a/.removed-20260131-120000'));
  for (const name of readdirSync(join(dir, 'a')).filter((one) => one[0] !== '.'))
    renameSync(join(dir, 'a', name), join(dir, 'a/.removed-20260131-120000', name));
  const here = process.cwd();
  process.chdir(dir);
  t.after(() => process.chdir(here));
  assert.match((await run('verify')).text, /a: the removal of a run was finished/);
  assert.deepEqual(readdirSync(dir), []);
});

test('a tag changes nothing but the tags', async (t) => {
  const dir = makeRun(testFolder(t), { result: 400 });
  const before = rawFacts(dir);
  await run('tag', dir, 'shop');
  assert.deepEqual(rawFacts(dir), { ...before, tags: [{ tag: 'shop', step: 400 }] });
});
