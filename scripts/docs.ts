// Writes the generated pages of docs/.
import { writeFileSync } from 'node:fs';
import { configDocs } from '../src/config/flags.ts';

writeFileSync(new URL('../docs/config.md', import.meta.url), configDocs());
