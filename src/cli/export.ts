// lora export: an adapter or a merged model in the form that another program reads.
import { exportGguf, type GgufExport, type GgufExportOptions, UserError } from '../index.ts';
import { colours } from './colours.ts';
import { choice, type Command } from './command.ts';
import { amount, bytes } from './format.ts';
import { whileLayers } from './layer-progress.ts';

export const exportCommand: Command = {
  name: 'export',
  summary: "Convert a language model's adapter, or a complete model, to a GGUF file for llama.cpp",
  arguments: [
    {
      name: '<path>',
      key: 'path',
      description: 'folder of an adapter (adapter_config.json) or of a model (config.json)',
    },
  ],
  flags: [
    { flags: '-t, --to <format>', key: 'to', description: 'gguf', required: true },
    {
      flags: '-b, --base <folder>',
      key: 'base',
      description:
        "an adapter's base model; only its config.json is read; by default the one it was trained on",
    },
    {
      flags: '-o, --output <file>',
      key: 'output',
      description: 'the file to write; by default beside what is exported',
    },
    {
      flags: '--type <type>',
      key: 'type',
      description:
        'f32, f16 or bf16, for a model also q8_0; by default f16 for a model, and for an adapter the type it has',
    },
  ],
  examples: [
    'lora export --to gguf output/support_lora',
    'lora export --to gguf --type q8_0 output/merged',
  ],
  run,
};

function run({ path, to, base, output, type }: Readonly<Record<string, unknown>>): number {
  if (to !== 'gguf')
    throw new UserError([
      {
        where: '--to',
        what: `unknown format "${String(to)}"; the only one is gguf`,
        fix: 'Adapters for pictures need no export: WebUI, Forge, ComfyUI and diffusers load the .safetensors file.',
      },
    ]);
  const options: GgufExportOptions = {
    path: String(path),
    ...(base !== undefined && { base: String(base) }),
    ...(output !== undefined && { output: String(output) }),
    ...(type !== undefined && {
      type: choice('--type', String(type), ['f32', 'f16', 'bf16', 'q8_0']),
    }),
  };
  process.stdout.write(
    `${lines(whileLayers((onLayer) => exportGguf({ ...options, onLayer }))).join('\n')}\n`,
  );
  return 0;
}

function lines({
  kind,
  file,
  bytes: size,
  architecture,
  type,
  layers,
  notes = [],
  templateFile,
}: GgufExport): string[] {
  const what =
    kind === 'adapter' ? `adapter of ${amount(layers ?? 0)} layers` : 'model with its tokenizer';
  const template =
    templateFile === undefined ? '' : ` --jinja --chat-template-file ${templateFile}`;
  const use =
    kind === 'adapter'
      ? `llama-cli -m <base model>.gguf --lora ${file}${template}`
      : `llama-cli -m ${file}`;
  return [
    `${colours.green('✓')} ${file}: ${architecture} ${what}, ${type}, ${bytes(size)}`,
    ...(templateFile === undefined
      ? []
      : [
          "  trained with a different chat template from the base model's, so llama.cpp must be given it",
        ]),
    ...notes.map((note) => `  ${note}`),
    `  ${colours.dim(use)}`,
  ];
}
