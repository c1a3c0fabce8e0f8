// The table of commands.
import { configJsonSchema } from '../index.ts';
import type { Command } from './command.ts';
import { convertCommand } from './convert.ts';
import { dataShowCommand } from './data-show.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { exportCommand } from './export.ts';
import { extractCommand } from './extract.ts';
import { hashCommand } from './hash.ts';
import { inspectCommand } from './inspect.ts';
import { mergeCommand } from './merge.ts';
import { resizeCommand } from './resize.ts';
import { runsCommand } from './runs.ts';
import { runsRollbackCommand, runsTagCommand } from './runs-change.ts';
import { runsCompareCommand } from './runs-compare.ts';
import { runsCostCommand } from './runs-cost.ts';
import { runsPruneCommand, runsRmCommand } from './runs-remove.ts';
import { runsShowCommand } from './runs-show.ts';
import { runsVerifyCommand } from './runs-verify.ts';
import { trainCommand } from './train.ts';

const schemaCommand: Command = {
  name: 'config schema',
  summary: 'Print the JSON Schema of the YAML file, for editors',
  flags: [],
  run() {
    process.stdout.write(`${JSON.stringify(configJsonSchema, null, 2)}\n`);
    return 0;
  },
};

export const commands: readonly Command[] = [
  trainCommand,
  dataShowCommand,
  evalCommand,
  mergeCommand,
  exportCommand,
  inspectCommand,
  hashCommand,
  convertCommand,
  resizeCommand,
  extractCommand,
  runsCommand,
  runsShowCommand,
  runsCompareCommand,
  runsCostCommand,
  runsRollbackCommand,
  runsTagCommand,
  runsRmCommand,
  runsPruneCommand,
  runsVerifyCommand,
  doctorCommand,
  schemaCommand,
];
