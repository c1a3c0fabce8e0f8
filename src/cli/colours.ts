// Colours for a person at a terminal only. picocolors' own guess also colours what Windows or a CI
// server writes to a file.
import pc from 'picocolors';

const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
const isTerminal = Boolean(process.stdout.isTTY && process.stderr.isTTY) && TERM !== 'dumb';

export const colours = pc.createColors(!NO_COLOR && (Boolean(FORCE_COLOR) || isTerminal));
