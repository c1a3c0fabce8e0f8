// lora inspect: what an adapter is, and which programs load it.
import { inspectAdapter } from '../index.ts';
import type { Command } from './command.ts';
import { inspectLines } from './inspect-lines.ts';
import { whileLayers } from './layer-progress.ts';

export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'Look into an adapter: layers, ranks, scales, norms, metadata; which programs load it',
  arguments: [
    {
      name: '<adapter>',
      key: 'adapter',
      description: "a file of kohya's, LyCORIS or diffusers, a folder of PEFT or mlx-lm",
    },
  ],
  flags: [
    { flags: '--json', key: 'json', description: 'the report as JSON (docs/adapters.md)' },
    { flags: '--modules', key: 'modules', description: 'each module, not the blocks alone' },
    { flags: '--metadata', key: 'metadata', description: 'all metadata in full' },
  ],
  examples: [
    'lora inspect output/brand_lora.safetensors',
    'lora inspect --json output/support_lora > report.json',
  ],
  run({ adapter, json, modules, metadata }) {
    const report = whileLayers(
      (onModule) => inspectAdapter(String(adapter), { onModule }),
      'reading the modules',
      process.stderr,
    );
    const text =
      json === true
        ? JSON.stringify(report, null, 2)
        : inspectLines(report, {
            columns: process.stdout.columns || undefined,
            modules: modules === true,
            metadata: metadata === true,
          }).join('\n');
    process.stdout.write(`${text}\n`);
    return 0;
  },
};
