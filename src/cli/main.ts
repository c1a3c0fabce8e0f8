#!/usr/bin/env node
// The command line: parses, runs the command, prints what went wrong.
import packageJson from '../../package.json' with { type: 'json' };
import { commands } from './commands.ts';
import { createProgram } from './program.ts';
import { report } from './report.ts';

// `lora … | head` closes the pipe early: nobody reads on, which is not an error
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  await createProgram(
    commands,
    packageJson.version,
    (code) => (process.exitCode = code),
  ).parseAsync();
} catch (error) {
  const { text, exitCode } = report(error);
  process.stderr.write(text);
  process.exitCode = exitCode;
}
