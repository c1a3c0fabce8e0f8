// The command line as commander sees it, built from the table of commands.
import { Command as Commander, Option } from 'commander';
import { UserError } from '../index.ts';
import type { Command, CommandFlag } from './command.ts';

/** Descriptions are wrapped beside the longest flag of `lora train` in 80 columns, too. */
const help = { minWidthToWrap: 20 };

/** What the groups of commands are about; a group that is not here is called by its word. */
const groups: Readonly<Record<string, string>> = {
  data: 'Look at the training data of a language model',
  config: 'What may stand in the YAML file',
};

/** A program of `commands`; `finish` receives the exit code of the one that ran. */
export function createProgram(
  commands: readonly Command[],
  version: string,
  finish: (code: number) => void,
): Commander {
  const program = new Commander('lora')
    .description(
      'Trains LoRA adapters for Stable Diffusion and language models from one YAML file.',
    )
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureHelp(help)
    .addHelpText('after', '\nExample:\n  $ lora train --config configs/brand_lora.yaml')
    .showHelpAfterError('(lora --help lists the commands)');
  for (const command of commands) addCommand(program, command, finish);
  return program;
}

function addCommand(program: Commander, command: Command, finish: (code: number) => void): void {
  const words = command.name.split(' ');
  const last = words[words.length - 1];
  const created: Commander = words
    .slice(0, -1)
    .reduce(groupOf, program)
    .command(last)
    .summary(command.summary)
    .description(command.summary)
    .helpOption('-h, --help', 'print this help')
    .enablePositionalOptions() // a flag that a command and one below it both have is the latter's
    .showHelpAfterError(helpAfterError(command))
    .action(async () => finish(await command.run(byKey(command, created))));
  if (command.examples)
    created.addHelpText(
      'after',
      `\nExamples:\n${command.examples.map((line) => `  $ ${line}`).join('\n')}`,
    );
  created.configureOutput({ outputError: (text, write) => write(withRemedy(text, command)) });
  for (const { name, description } of command.arguments ?? []) created.argument(name, description);
  for (const flag of command.flags) {
    const option = toOption(flag);
    created.addOption(option);
    if (!flag.repeatable) refuseSecond(created, option);
  }
}

/** Makes a flag that takes one value throw UserError when it is given another, too. */
function refuseSecond(command: Commander, option: Option): void {
  let first: string | undefined;
  command.on(`option:${option.name()}`, (given: string | null) => {
    const value = given ?? 'true';
    if (first !== undefined && first !== value)
      throw new UserError([
        {
          where: option.long ?? option.flags,
          what: `is given twice, as ${first} and as ${value}; it takes one value`,
          fix: 'Delete one of the two.',
        },
      ]);
    first = value;
  });
}

/** A flag of another trainer gets what does the same here, in place of a guess. */
function withRemedy(text: string, { insteadOf }: Command): string {
  const [, flag] = /^error: unknown option '(--[^'=]+)/.exec(text) ?? [];
  const remedy = flag === undefined ? undefined : insteadOf?.(flag);
  return remedy === undefined ? text : `error: unknown option '${flag}'\n${remedy}\n`;
}

const helpAfterError = ({ name, examples: [example] = [] }: Command): string =>
  `(lora ${name} --help lists its options${example === undefined ? '' : `; an example: ${example}`})`;

/** The group of commands named `word`, made when it is not there. */
function groupOf(parent: Commander, word: string): Commander {
  return (
    parent.commands.find((command) => command.name() === word) ??
    parent
      .command(word)
      .description(groups[word] ?? `Commands for the ${word}`)
      .helpCommand(false)
  );
}

function toOption(flag: CommandFlag): Option {
  const option = new Option(flag.flags, flag.description);
  if (flag.required) option.makeOptionMandatory();
  if (flag.group) option.helpGroup(flag.group);
  if (flag.repeatable === 'text or list')
    option.argParser((value: string, before: string | string[] | undefined) =>
      before === undefined ? value : [before, value].flat(),
    );
  else if (flag.repeatable)
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  return option;
}

/**
 * commander names values in camelCase, and gives words without names; the commands want their keys.
 */
function byKey(
  { flags, arguments: words = [] }: Command,
  parsed: Commander,
): Record<string, unknown> {
  const options: Readonly<Record<string, unknown>> = parsed.opts();
  const values: readonly unknown[] = parsed.processedArgs; // a list where a word may be repeated
  const given = [
    ...words.map(({ key }, i) => [key, values[i]] as const),
    ...flags.map(
      ({ key, flags: text }) => [key, options[new Option(text).attributeName()]] as const,
    ),
  ];
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
