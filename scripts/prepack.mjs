// What npm runs before it packs: builds the product and its declarations, and puts a copy of
// onnxruntime-node beside them, without its install script and with the binaries of the chosen
// platforms only (docs/decisions/0011-onnxruntime-in-the-package.md).
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, buildTypes } from './build.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
const copy = join(root, 'dist', 'node_modules', 'onnxruntime-node');
const binaries = join('bin', 'napi-v6');

/** Platforms that onnxruntime-node has binaries for, such as linux-x64. */
const available = readdirSync(join(source, binaries)).flatMap((os) =>
  readdirSync(join(source, binaries, os)).map((cpu) => `${os}-${cpu}`),
);

/** LORA_PLATFORMS (names with commas, or all); without it all to publish, else this machine's. */
function chosenPlatforms() {
  const publishes = process.env.npm_command === 'publish';
  const here = `${process.platform}-${process.arch}`;
  const wanted = process.env.LORA_PLATFORMS || (publishes ? 'all' : here);
  const names = wanted === 'all' ? available : wanted.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !available.includes(name));
  if (unknown.length === 0) return names;
  console.error(
    `onnxruntime-node has no binaries for ${unknown.join(', ')}, only for ${available.join(', ')}: ` +
      'choose among these with LORA_PLATFORMS (names with commas between them, or all).',
  );
  process.exit(1);
}

function copyRuntime(platforms) {
  const { name, version, license, author, repository } = JSON.parse(
    readFileSync(join(source, 'package.json'), 'utf8'),
  );
  mkdirSync(copy, { recursive: true });
  const manifest = { name, version, license, author, repository, main: 'index.cjs' };
  writeFileSync(join(copy, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  cpSync(join(source, 'README.md'), join(copy, 'README.md'));
  cpSync(join(root, 'scripts', 'onnxruntime'), copy, { recursive: true });
  const isCode = (path) => !/\.(map|d\.ts)$/.test(path);
  cpSync(join(source, 'dist'), join(copy, 'dist'), { recursive: true, filter: isCode });
  for (const platform of platforms) {
    const folder = join(binaries, ...platform.split('-'));
    cpSync(join(source, folder), join(copy, folder), { recursive: true });
  }
}

const platforms = chosenPlatforms();
rmSync(join(root, 'dist'), { recursive: true, force: true });
await build();
buildTypes();
copyRuntime(platforms);
