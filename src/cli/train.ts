// lora train: reads the configuration, trains in a process of its own, shows the events.
import { configFlags, flagName, loadConfig, trainInProcess } from '../index.ts';
import type { Command, CommandFlag } from './command.ts';
import { createProgress } from './progress.ts';

const interrupted = 130;
/** Ctrl+C, a service manager or `timeout`, a closed terminal. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const overrideFlags = configFlags.map(
  ({ key, name, placeholder, description, repeatable, group }): CommandFlag => {
    const value = placeholder === '<true|false>' ? '[true|false]' : placeholder;
    return { flags: `${name} ${value}`, key, description, repeatable, group: `${group}:` };
  },
);

export const trainCommand: Command = {
  name: 'train',
  summary: 'Train an adapter as described in a YAML file',
  flags: [
    {
      flags: '-c, --config <file>',
      key: 'config',
      description: 'the YAML file that describes the run',
      required: true,
    },
    ...overrideFlags,
  ],
  examples: [
    'lora train --config configs/brand_lora.yaml',
    'lora train --config configs/brand_lora.yaml --learning-rate 5e-4 --seed 7',
  ],
  run,
};

async function run({ config, ...overrides }: Readonly<Record<string, unknown>>): Promise<number> {
  const job = loadConfig(String(config), overrides, { nameOverride: flagName });
  const progress = createProgress(process.stdout);
  const stopping = new AbortController();
  const onInterrupt = () => {
    if (stopping.signal.aborted) {
      progress.close();
      process.exit(interrupted);
    }
    stopping.abort();
    progress.note('Stopping after this step, then saving. Press Ctrl+C again to quit at once.');
  };
  for (const name of signals) process.on(name, onInterrupt);
  try {
    for await (const event of trainInProcess(job, { signal: stopping.signal }))
      progress.show(event);
  } finally {
    progress.close();
    for (const name of signals) process.off(name, onInterrupt);
  }
  return stopping.signal.aborted ? interrupted : 0;
}
