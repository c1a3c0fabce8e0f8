// What goes wrong around a run, made to happen: by name, what is done, and what must come of it.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fill, limit, memoryGroup, mountSmall, remount, unmount, childrenOf } from './places.ts';
import type { SmallRun } from './small-runs.ts';
import { pause, signalAll, started, untilStep, type StartOptions } from './started.ts';

/** Where a fault is made. */
export interface Scene {
  readonly run: SmallRun;
  readonly name: string;
  /** The run's folder, and the folder around it. */
  readonly dir: string;
  readonly around: string;
}

export interface Fault {
  readonly name: string;
  /** Before the start: a disk is made, files are damaged. */
  prepare?(scene: Scene): void;
  /** How it is started. */
  start?(scene: Scene): Partial<StartOptions>;
  /** Takes the fault away. */
  undo?(scene: Scene): void;
  /** Begins with a run that was interrupted. */
  readonly isCut?: boolean;
  /** Files whose bytes the fault itself has taken. */
  readonly taken?: RegExp;
  /** More settings. */
  settings?(scene: Scene): Readonly<Record<string, unknown>>;
}

const early = ({ run }: Scene): number => Math.ceil(run.steps / 4);
const clock = fileURLToPath(new URL('./clock.cjs', import.meta.url));

/** After a step of the run. */
const after =
  (step: (scene: Scene) => number, act: (scene: Scene, pid: number) => Promise<void> | void) =>
  (scene: Scene): Partial<StartOptions> => ({
    during: async ({ pid }) => {
      await untilStep(scene.dir, step(scene));
      await act(scene, pid);
    },
  });

const signalled = (name: string, ...signals: readonly NodeJS.Signals[]): Fault => ({
  name,
  start: after(early, async (_, pid) => {
    for (const signal of signals) {
      signalAll(pid, signal);
      await pause(30);
    }
  }),
});

// ---- disks

const size = ({ run }: Scene): string => (run.task === 'image' ? '16m' : '4m');

/** On a disk of its own, filled at a step and freed some steps later, or never. */
const filled = (name: string, from: (scene: Scene) => number, pauseMs?: number): Fault => ({
  name,
  prepare: (scene) => mountSmall(scene.around, size(scene)),
  start: after(from, async ({ around }) => {
    const free = fill(around);
    if (pauseMs === undefined) return;
    await pause(pauseMs);
    free();
  }),
  undo: ({ around }) => rmSync(join(around, 'filler'), { force: true }),
});

const disks: readonly Fault[] = [
  {
    name: 'a disk that is full before the start',
    prepare: (scene) => {
      mountSmall(scene.around, size(scene));
      fill(scene.around);
    },
    undo: ({ around }) => rmSync(join(around, 'filler')),
  },
  {
    name: 'a disk too small for the run',
    prepare: (scene) => mountSmall(scene.around, '200k'),
    undo: ({ around }) => unmount(around),
  },
  filled('a disk that fills while it trains, and is freed', early, 800),
  filled('a disk that fills and stays full', early),
  filled('a disk that fills at the end', ({ run }) => run.steps - 1),
  {
    name: 'a disk that is read-only from the start',
    isCut: true,
    prepare: (scene) => {
      mountCopy(scene);
      remount(scene.around, 'ro');
    },
    undo: ({ around }) => void remount(around, 'rw'),
  },
  {
    name: 'a disk that becomes read-only while it trains',
    prepare: (scene) => mountSmall(scene.around, size(scene)),
    start: after(early, async ({ around }) => {
      for (let tries = 0; tries < 200; tries++)
        try {
          remount(around, 'ro');
          return;
        } catch {
          await pause(5); // a file is open
        }
    }),
    undo: ({ around }) => void remount(around, 'rw'),
  },
  {
    name: 'a cache on a full disk',
    prepare: ({ run, name }) => {
      mountSmall(join(run.root, `cache-of-${name}`), '64k');
      fill(join(run.root, `cache-of-${name}`));
    },
    start: ({ run, name }) => ({
      env: { LORA_SCRIPTS_CACHE: join(run.root, `cache-of-${name}`, 'tensors') },
    }),
    undo: ({ run, name }) => unmount(join(run.root, `cache-of-${name}`)),
  },
  {
    name: 'a backup disk that fills',
    settings: ({ run }) => ({ backup_dir: join(run.root, 'backup') }),
    prepare: ({ run }) => mountSmall(join(run.root, 'backup'), '16k'),
    start: ({ run }) => ({ during: async () => void fill(join(run.root, 'backup')) }),
    undo: ({ run }) => unmount(join(run.root, 'backup')),
  },
];

/** The interrupted run onto a disk of its own. */
function mountCopy(scene: Scene): void {
  const aside = `${scene.around}-aside`;
  cpSync(scene.around, aside, { recursive: true });
  mountSmall(scene.around, size(scene));
  cpSync(aside, scene.around, { recursive: true });
  rmSync(aside, { recursive: true });
}

// ---- limits

const limits: readonly Fault[] = [
  ...[1, 8, 40].map((kib): Fault => ({
    name: `no file above ${kib} KiB (ulimit -f)`,
    start: () => ({ within: ['prlimit', `--fsize=${kib * 1024}`] }),
  })),
  {
    name: 'no file above 4 KiB from the middle on',
    start: after(early, (_, pid) => {
      for (const one of [pid, ...childrenOf(pid)]) limit(one, '--fsize=4096');
    }),
  },
  ...[22, 30, 40].map((count): Fault => ({
    name: `no more than ${count} open files (ulimit -n)`,
    start: () => ({ within: ['prlimit', `--nofile=${count}`] }),
  })),
  {
    name: 'no more open files from the middle on',
    start: after(early, (_, pid) => {
      for (const one of childrenOf(pid)) limit(one, '--nofile=8');
    }),
  },
  {
    name: 'memory runs out, the system ends the process',
    prepare: () => undefined,
    start: (scene) => {
      const group = memoryGroup(`survival-${process.pid}`, 3 * 2 ** 30);
      return {
        within: group.join,
        during: async ({ pid }) => {
          await untilStep(scene.dir, early(scene));
          const [child] = childrenOf(pid);
          await outOfMemory(child);
        },
      };
    },
    undo: () => memoryGroup(`survival-${process.pid}`).remove(),
  },
];

/** Another process takes the memory of the group, and this one is the first to go. */
async function outOfMemory(pid: number): Promise<void> {
  const dir = `/sys/fs/cgroup/memory/survival-${process.pid}`;
  const used = Number(readFileSync(join(dir, 'memory.usage_in_bytes'), 'utf8'));
  writeFileSync(join(dir, 'memory.limit_in_bytes'), String(used + 20 * 2 ** 20));
  writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  const greedy =
    'const all = []; for (let i = 0; i < 150; i++) all.push(Buffer.alloc(2 ** 20, 1));';
  const { join: within } = memoryGroup(basename(dir));
  spawnSync(within[0], [...within.slice(1), process.execPath, '-e', greedy]);
  for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries++) await pause(50);
}

// ---- the folder, the clock, other processes

const others: readonly Fault[] = [
  {
    name: 'the folder vanishes while it trains',
    start: after(early, ({ dir }) => renameSync(dir, `${dir}-elsewhere`)),
    taken: /^(logs|checkpoint-|neon-step|previews\/|data\.json|config\.yaml|run\.json|previews)/,
  },
  { name: 'a clock that jumps by a year, back and forth', start: () => ({ preloads: [clock] }) },
  {
    name: 'a second process in the folder, the first suspended',
    start: after(early, async (scene, pid) => {
      signalAll(pid, 'SIGSTOP');
      const second = await started(scene.run.root, { args: scene.run.args(scene.name) });
      signalAll(pid, 'SIGCONT');
      if (second.code !== 1) throw new Error(`the second process ended with ${second.code}`);
    }),
  },
  {
    name: 'suspended and continued three times',
    start: after(early, async (_, pid) => {
      for (const signal of ['SIGSTOP', 'SIGCONT', 'SIGSTOP', 'SIGCONT'] as const) {
        signalAll(pid, signal);
        await pause(300);
      }
    }),
  },
  signalled('Ctrl+C', 'SIGINT'),
  signalled('Ctrl+C twice', 'SIGINT', 'SIGINT'),
  signalled('SIGTERM', 'SIGTERM'),
  signalled('a closed terminal (SIGHUP)', 'SIGHUP'),
  {
    name: 'Ctrl+C while the data are encoded',
    start: () => ({
      during: async ({ pid }) => {
        await pause(1500);
        signalAll(pid, 'SIGINT');
      },
    }),
  },
];

// ---- damaged files

type Damage = readonly [string, (path: string) => void];

const cutTo =
  (share: number) =>
  (path: string): void =>
    truncateSync(path, Math.floor(readFileSync(path).length * share));

const damages: readonly Damage[] = [
  ['emptied', cutTo(0)],
  ['cut in half', cutTo(0.5)],
  ['cut by a byte', (path) => truncateSync(path, readFileSync(path).length - 1)],
  [
    'with a flipped byte',
    (path) => {
      const bytes = readFileSync(path);
      bytes[Math.floor(bytes.length * 0.6)] ^= 4;
      writeFileSync(path, bytes);
    },
  ],
];

/** Files of an interrupted run, by what they are. */
const files: Readonly<Record<string, (scene: Scene) => readonly string[]>> = {
  'the newest state': ({ dir }) => states(dir).slice(-1),
  'both states': ({ dir }) => states(dir),
  'run.json': ({ dir }) => [join(dir, 'run.json')],
  'data.json': ({ dir }) => [join(dir, 'data.json')],
  'account.json': ({ dir }) => [join(dir, 'account.json')],
  'config.yaml': ({ dir }) => [join(dir, 'config.yaml')],
  'metrics.jsonl': ({ dir }) => [join(dir, 'logs/metrics.jsonl')],
  'the lock': ({ dir }) => [join(dir, '.lock')],
  'an adapter': ({ dir }) => checkpoints(dir).slice(0, 1),
};

const states = (dir: string): string[] =>
  readdirSync(join(dir, 'state'))
    .filter((name) => name.endsWith('.safetensors'))
    .sort()
    .map((name) => join(dir, 'state', name));

const checkpoints = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.safetensors') && !name.startsWith('state'))
    .map((name) => join(dir, name));

/** The records have gaps where the damage was, and a damaged adapter stays so. */
const taken: Readonly<Record<string, RegExp>> = {
  'metrics.jsonl': /metrics\.jsonl$/,
  'an adapter': /(checkpoint-|neon-step)/,
};

const damaged: readonly Fault[] = Object.entries(files).flatMap(([what, pathsOf]) =>
  damages.map(([how, damage]) => ({
    name: `${what} ${how}`,
    isCut: true,
    ...(what in taken && { taken: taken[what] }),
    prepare: (scene: Scene) =>
      pathsOf(scene)
        .filter((path) => existsSync(path))
        .forEach(damage),
  })),
);

const gone: readonly Fault[] = (
  [
    ['the folder of the states is gone', 'state'],
    ['run.json is gone', 'run.json'],
    ['data.json is gone', 'data.json'],
    ['the logs are gone', 'logs'],
  ] as const
).map(([name, entry]) => ({
  name,
  isCut: true,
  prepare: ({ dir }) => rmSync(join(dir, entry), { recursive: true }),
  ...(entry === 'logs' && { taken: /^logs/ }),
}));

/** Those that this machine can make, and why not the others. */
export const faults: readonly Fault[] = [...disks, ...limits, ...others, ...damaged, ...gone];
