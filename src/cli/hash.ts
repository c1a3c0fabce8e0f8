// lora hash: the hashes by which programs and sites know an adapter's file.
import { type AdapterHashes, hashAdapter } from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';

export const hashCommand: Command = {
  name: 'hash',
  summary: 'The hashes by which WebUI, Civitai and kohya know an adapter',
  arguments: [{ name: '<adapter>', key: 'adapter', description: 'file or folder of an adapter' }],
  flags: [{ flags: '--json', key: 'json', description: 'the hashes as JSON (docs/adapters.md)' }],
  examples: ['lora hash output/brand_lora.safetensors'],
  run({ adapter, json }) {
    const files = hashAdapter(String(adapter));
    const text =
      json === true
        ? JSON.stringify(files, null, 2)
        : files.flatMap(({ file, ...hashes }) => [file, ...hashLines(hashes)]).join('\n');
    process.stdout.write(`${text}\n`);
    return 0;
  },
};

/** One line a hash, with who uses it. */
export function hashLines(hashes: AdapterHashes): string[] {
  const { sha256, autoV1, autoV2, autoV3, sshsModelHash, sshsLegacyHash, stated } = hashes;
  const rows: readonly (readonly [name: string, value: string, note: string])[] = [
    ['SHA-256', sha256, ''],
    ['AutoV1', autoV1, 'of 64 KiB of the file'],
    ['AutoV2', autoV2, 'of the whole file'],
    ['AutoV3', autoV3, 'of the tensors: "Lora hashes" of WebUI'],
    ['sshs_model_hash', sshsModelHash, notedAs(stated.sshsModelHash, sshsModelHash)],
    ['sshs_legacy_hash', sshsLegacyHash, notedAs(stated.sshsLegacyHash, sshsLegacyHash)],
  ];
  return rows.map(
    ([name, value, note]) =>
      `  ${colours.dim(name.padEnd(16))} ${value}${note === '' ? '' : `  ${colours.dim(note)}`}`,
  );
}

function notedAs(stated: string | undefined, computed: string): string {
  if (stated === undefined) return 'not in the metadata';
  return stated === computed ? 'as in the metadata' : `the metadata have another: ${stated}`;
}
