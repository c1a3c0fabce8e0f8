// Writes the generated pages of docs/, and the printed graphs of ARCHITECTURE.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { configDocs } from '../src/config/flags.ts';
import { withPrintedGraphs } from './training-step.ts';

const architecture = new URL('../ARCHITECTURE.md', import.meta.url);

writeFileSync(new URL('../docs/config.md', import.meta.url), configDocs());
writeFileSync(architecture, withPrintedGraphs(readFileSync(architecture, 'utf8')));
