// Loaded into a process before its program: kills it at a chosen call to the disk, before the call,
// in its middle, after it, or so many milliseconds later.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const { isMainThread } = require('node:worker_threads');

const plan = JSON.parse(process.env.SURVIVAL_STRIKE ?? 'null');
const original = { ...fs };
const paths = new Map();
let seen = 0;

const slashed = (path) => String(path).replaceAll('\\', '/');

/** Whether it is this call that is meant. */
function isMeant(path, content) {
  if (!new RegExp(plan.path).test(slashed(path))) return false;
  if (plan.content !== undefined && !new RegExp(plan.content).test(content ?? '')) return false;
  return ++seen === plan.nth;
}

const die = () => process.kill(process.pid, 'SIGKILL');

/** Runs the call, or its half, and dies. */
function strike(path, { call, half }) {
  original.appendFileSync(plan.told, `${slashed(path)}\n`);
  if (plan.delay !== undefined) {
    const command = `sleep ${plan.delay / 1000}; kill -9 ${process.pid}`;
    spawn('sh', ['-c', command], { detached: true, stdio: 'ignore' }).unref();
    return call();
  }
  if (plan.mode === 'torn') half();
  if (plan.mode === 'after') call();
  return die();
}

const textOf = (bytes) =>
  typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');

function arm() {
  fs.openSync = (path, ...rest) => {
    const fd = original.openSync(path, ...rest);
    paths.set(fd, path);
    return fd;
  };
  fs.writeSync = (fd, bytes, offset, length, ...rest) => {
    const call = () => original.writeSync(fd, bytes, offset, length, ...rest);
    const path = paths.get(fd) ?? '';
    if (!isMeant(path, textOf(bytes))) return call();
    const half = () => original.writeSync(fd, bytes, offset ?? 0, bytes.length >> 1);
    return strike(path, { call, half });
  };
  fs.renameSync = (from, to) => {
    const call = () => original.renameSync(from, to);
    if (!isMeant(to)) return call();
    // as where the process had died while it wrote the file beside its place
    const half = () => original.truncateSync(from, original.statSync(from).size >> 1);
    return strike(to, { call, half });
  };
  fs.writeFileSync = (path, content, ...rest) => {
    const call = () => original.writeFileSync(path, content, ...rest);
    if (!isMeant(path, textOf(content))) return call();
    const half = () => original.writeFileSync(path, content.slice(0, content.length >> 1), ...rest);
    return strike(path, { call, half });
  };
  for (const name of [
    'rmSync',
    'truncateSync',
    'mkdirSync',
    'unlinkSync',
    'copyFileSync',
    'linkSync',
  ])
    fs[name] = (path, ...rest) => {
      const call = () => original[name](path, ...rest);
      return isMeant(path) ? strike(path, { call, half: () => undefined }) : call();
    };
  syncBuiltinESMExports();
}

if (plan !== null && isMainThread && slashed(process.argv[1] ?? '').includes(plan.process)) arm();
