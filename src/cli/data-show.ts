// lora data show: samples as their model reads them, with the trained tokens delimited, and what
// was found in the data.
import {
  chatTemplate,
  ConfigError,
  configuredTextData,
  formatProblem,
  languageModelFolder,
  loadConfig,
  locatedError,
  placeOf,
  type Problem,
  readTextTokenizer,
  showSample,
  type TextData,
  type TextTokenizer,
  visible,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { amount } from './format.ts';

export const dataShowCommand: Command = {
  name: 'data show',
  summary:
    'Show samples as the language model reads them, with the trained part highlighted, and any problems in the data',
  flags: [
    {
      flags: '-c, --config <file>',
      key: 'config',
      description: 'the YAML file that describes the run',
      required: true,
    },
    {
      flags: '-s, --sample <number>',
      key: 'sample',
      description: 'the sample to print, from 1; by default the first three',
    },
  ],
  examples: [
    'lora data show --config configs/llm_lora_config.yaml',
    'lora data show --config configs/llm_lora_config.yaml --sample 12',
  ],
  run,
};

async function run({ config: path, sample }: Readonly<Record<string, unknown>>): Promise<number> {
  const { config, source, warnings } = loadConfig(String(path));
  if (config.task_type !== 'text-generation')
    throw new ConfigError([
      {
        where: placeOf('task_type', source),
        what: `is ${config.task_type}; only the data of language models can be shown`,
        fix: 'Name the file of a run with task_type: text-generation.',
      },
    ]);
  const tokenizer = readTextTokenizer(languageModelFolder(config.base_model));
  const template = chatTemplate(tokenizer, config.chat_template, {
    where: placeOf('chat_template', source),
    date: config.template_date,
  });
  const data = await configuredTextData(config, { tokenizer, template }).catch((error: unknown) => {
    throw locatedError(error, source);
  });
  const shown = chosen(data, sample);
  const lines = [
    ...data.notices.map((notice) => visible(notice)),
    '',
    ...legend(),
    ...shown.flatMap((index) => ['', ...sampleLines(data, index, tokenizer)]),
    ...found([...warnings, ...tokenizer.warnings, ...data.warnings]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** Positions in the list of sequences. Throws ConfigError for a number that none has. */
function chosen({ train }: TextData, sample: unknown): number[] {
  if (sample === undefined) return [0, 1, 2].filter((index) => index < train.length);
  const number = Number(sample);
  if (Number.isInteger(number) && number >= 1 && number <= train.length) return [number - 1];
  throw new ConfigError([
    {
      where: '--sample',
      what: `expected a whole number from 1 to ${train.length}; found ${String(sample)}`,
    },
  ]);
}

const legend = (): string[] => [
  colours.isColorSupported
    ? `${colours.green('Green')} is trained; the rest is only read.`
    : 'The text in ⟦ ⟧ is trained; the rest is only read.',
];

/**
 * Delimiters that no text has: what acts on a terminal is made visible before they become colours.
 */
const delimiters = { open: '\ue000', close: '\ue001' };

function sampleLines({ train }: TextData, index: number, tokenizer: TextTokenizer): string[] {
  const [open, close] = colours.isColorSupported ? colours.green('|').split('|') : ['⟦', '⟧'];
  const [head, ...text] = visible(showSample(train[index], tokenizer, delimiters))
    .replaceAll(delimiters.open, open)
    .replaceAll(delimiters.close, close)
    .split('\n');
  return [colours.bold(`${index + 1} of ${amount(train.length)} · ${head}`), ...text];
}

function found(warnings: readonly Problem[]): string[] {
  if (warnings.length === 0) return ['', `${colours.green('✓')} no problems found`];
  return [
    '',
    ...warnings.map((warning) => `${colours.yellow('warning')} ${formatProblem(warning)}`),
  ];
}
