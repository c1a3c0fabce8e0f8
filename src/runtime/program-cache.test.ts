import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramCache } from './program-cache.ts';

/** Opens things that say when they are released. */
function opener() {
  const log: string[] = [];
  const open = (name: string) => () => {
    log.push(`+${name}`);
    return Promise.resolve({
      name,
      release: () => {
        log.push(`-${name}`);
        return Promise.resolve();
      },
    });
  };
  return { log, open };
}

test('the program used least recently goes first, and one that is alive is not opened again', async () => {
  const { log, open } = opener();
  const programs = new ProgramCache(9).programs(2);
  for (const name of ['a', 'b', 'a', 'c', 'a']) await programs.get(name, open(name));
  assert.deepEqual(log, ['+a', '+b', '-b', '+c']);
  await programs.release();
  assert.deepEqual(log.slice(4).sort(), ['-a', '-c']);
});

test('a pinned program stays, whatever other programs come', async () => {
  const { log, open } = opener();
  const programs = new ProgramCache(9).programs(2);
  await programs.get('p', open('p'), { pinned: true });
  for (const name of ['a', 'b', 'p', 'c']) await programs.get(name, open(name));
  assert.deepEqual(log, ['+p', '+a', '-a', '+b', '-b', '+c']);
});

test('all users together keep no more than the cache takes; each releases only its own', async () => {
  const { log, open } = opener();
  const cache = new ProgramCache(3);
  const [training, answers] = [cache.programs(2), cache.programs(2)];
  await training.get('t1', open('t1'));
  await training.get('t2', open('t2'));
  await answers.get('a1', open('a1'));
  await training.get('t1', open('t1'));
  await answers.get('a2', open('a2'));
  assert.deepEqual(log, ['+t1', '+t2', '+a1', '-t2', '+a2']);
  await answers.release();
  assert.deepEqual(log.slice(5).sort(), ['-a1', '-a2']);
  await cache.release();
  assert.equal(log.at(-1), '-t1');
});

test('asked for twice at a time, a program is opened once; one that could not be opened is tried again', async () => {
  const { log, open } = opener();
  const programs = new ProgramCache(9).programs(1);
  const [first, second] = await Promise.all([
    programs.get('a', open('a')),
    programs.get('a', open('a')),
  ]);
  assert.equal(first, second);
  const fails = () => Promise.reject(new Error('no memory'));
  await assert.rejects(programs.get('b', fails), /no memory/);
  await programs.get('b', open('b'));
  assert.deepEqual(log, ['+a', '-a', '+b']);
});

test('a program that makes room does not fail for one that could not be opened', async () => {
  const { log, open } = opener();
  const programs = new ProgramCache(9).programs(1);
  const full = programs.get('a', async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('no memory');
  });
  const next = programs.get('b', open('b'));
  await assert.rejects(full, /no memory/);
  await next;
  assert.deepEqual(log, ['+b']);
});

test('one program that cannot be released does not keep the others', async () => {
  const { log, open } = opener();
  const programs = new ProgramCache(9).programs(3);
  const lost = () => Promise.resolve({ release: () => Promise.reject(new Error('lost')) });
  await programs.get('l', lost as never);
  await programs.get('a', open('a'));
  await assert.rejects(programs.release(), /lost/);
  assert.deepEqual(log, ['+a', '-a']);
});
