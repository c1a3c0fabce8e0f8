import assert from 'node:assert/strict';
import { test } from 'node:test';
import { availableMemory, memoryKills } from './system-memory.ts';

const GiB = 2 ** 30;
const files = (content: Readonly<Record<string, string>>) => (path: string) =>
  Object.hasOwn(content, path) ? content[path] : undefined;
const meminfo = { '/proc/meminfo': 'MemTotal:  16777216 kB\nMemAvailable:   8388608 kB\n' };
const none = () => 1 * GiB;

test('without limits it is what the machine can give up, not what lies free', () => {
  assert.deepEqual(availableMemory(files(meminfo), none), { bytes: 8 * GiB, of: 'machine' });
});

test('what can be swapped out counts, too', () => {
  const swap = {
    '/proc/meminfo': `${meminfo['/proc/meminfo']}SwapTotal: 9 kB\nSwapFree: 4194304 kB\n`,
  };
  assert.deepEqual(availableMemory(files(swap), none), { bytes: 12 * GiB, of: 'machine' });
});

test('a system without /proc says how much is free', () => {
  assert.deepEqual(availableMemory(files({}), none), { bytes: GiB, of: 'machine' });
});

test('a container allows what its limit leaves; its file cache is given up first', () => {
  const container = files({
    ...meminfo,
    '/proc/self/cgroup': '0::/\n',
    '/sys/fs/cgroup/memory.max': `${3 * GiB}\n`,
    '/sys/fs/cgroup/memory.current': `${2 * GiB}\n`,
    '/sys/fs/cgroup/memory.stat': `anon 5\nfile 9\ninactive_file ${GiB}\nactive_file 7\n`,
  });
  assert.deepEqual(availableMemory(container, none), { bytes: 2 * GiB, of: 'group' });
});

test('the limit of any group above counts: a slice of systemd, a job of a batch system', () => {
  const slice = '/sys/fs/cgroup/user.slice/user-1000.slice';
  const nested = files({
    ...meminfo,
    '/proc/self/cgroup': '0::/user.slice/user-1000.slice/session-2.scope\n',
    [`${slice}/session-2.scope/memory.max`]: 'max\n',
    [`${slice}/session-2.scope/memory.current`]: '100\n',
    [`${slice}/memory.max`]: `${GiB}\n`,
    [`${slice}/memory.current`]: '0\n',
  });
  assert.deepEqual(availableMemory(nested, none), { bytes: GiB, of: 'group' });
});

test('groups of version 1, whose absence of a limit is a large number', () => {
  const folder = '/sys/fs/cgroup/memory/docker/12ab';
  const v1 = (limit: string) =>
    files({
      ...meminfo,
      '/proc/self/cgroup': '9:name=systemd:/\n4:cpu,memory:/docker/12ab\n0::/\n',
      [`${folder}/memory.limit_in_bytes`]: limit,
      [`${folder}/memory.usage_in_bytes`]: `${GiB}`,
      [`${folder}/memory.stat`]: `cache 1\ntotal_inactive_file ${GiB / 2}\n`,
    });
  assert.deepEqual(availableMemory(v1(`${2 * GiB}`), none), { bytes: 1.5 * GiB, of: 'group' });
  assert.equal(availableMemory(v1('9223372036854771712'), none).of, 'machine');
});

test('processes that the system ended for lack of memory are counted for the whole machine', () => {
  assert.equal(memoryKills(files({ '/proc/vmstat': 'pgfault 9\noom_kill 3\nswpin 0\n' })), 3);
});

test('where /proc/vmstat is hidden, the group counts', () => {
  const events = { '/sys/fs/cgroup/memory.events': 'low 0\noom 4\noom_kill 2\n' };
  assert.equal(memoryKills(files({ '/proc/self/cgroup': '0::/\n', ...events })), 2);
  assert.equal(memoryKills(files({})), undefined);
});

test('here: a number of bytes that a process may take', () => {
  const { bytes } = availableMemory();
  assert.ok(bytes > 0 && Number.isFinite(bytes));
});
