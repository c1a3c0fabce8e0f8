// lora doctor: what this machine has to compute with, how fast it is, and what to install for more.
import { type DoctorReport, examine, InternalError } from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { deviceNames, doctorLines } from './doctor-lines.ts';

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Look at this machine: graphics cards, speed, what to expect, what to install',
  flags: [
    { flags: '--json', key: 'json', description: 'the report as JSON (docs/devices.md)' },
    {
      flags: '--no-measurements',
      key: 'measurements',
      description: 'measure nothing; takes a second instead of ten',
    },
  ],
  examples: ['lora doctor', 'lora doctor --json > report.json'],
  async run({ json, measurements }) {
    const report = await reportOf(measurements !== false);
    const text =
      json === true
        ? JSON.stringify(report, null, 2)
        : doctorLines(report, process.stdout.columns || undefined).join('\n');
    process.stdout.write(`${text}\n`);
    return 0;
  },
};

/** While it measures, a terminal has a line that says so; it is gone afterwards. */
async function reportOf(measurements: boolean): Promise<DoctorReport> {
  const { stderr } = process;
  const say = (text: string): unknown => stderr.isTTY && stderr.write(`\r\u001b[K${text}`);
  try {
    for await (const event of examine({ measurements })) {
      if (event.type === 'report') return event.report;
      say(colours.dim(`measuring ${deviceNames[event.device]} …`));
    }
  } finally {
    say('');
  }
  throw new InternalError('an examination without a report');
}
