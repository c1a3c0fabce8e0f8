// The report of `lora inspect` in a terminal.
import {
  type AdapterInspection,
  type InspectedModule,
  noteOf,
  type ProgramVerdict,
} from '../index.ts';
import { colours } from './colours.ts';
import { wrapped } from './eval-lines.ts';
import { amount, bytes, cut } from './format.ts';
import { hashLines } from './hash.ts';

const { bold, dim, green, red, yellow } = colours;

export interface InspectLinesOptions {
  /** Of the terminal; 80 unless given. */
  readonly columns?: number | undefined;
  /** A line for each module. */
  readonly modules?: boolean;
  /** The metadata in full. */
  readonly metadata?: boolean;
}

export function inspectLines(
  report: AdapterInspection,
  { columns = 80, modules = false, metadata = false }: InspectLinesOptions,
): string[] {
  const width = Math.max(40, Math.min(columns, 120) - 1);
  return [
    ...headLines(report),
    '',
    bold('Blocks'),
    ...table(
      ['', 'modules', 'parameters', 'norm'],
      report.blocks.map(({ block, modules: count, parameters, norm }) => [
        block,
        String(count),
        amount(parameters),
        normText(norm),
      ]),
    ),
    '',
    ...(modules ? [bold('Modules'), ...moduleLines(report.modules), ''] : []),
    ...faultLines(report),
    ...metadataLines(report, width, metadata),
    bold('Hashes'),
    ...report.hashes.flatMap(({ file, ...hashes }) => [
      ...(report.hashes.length > 1 ? [`  ${file}`] : []),
      ...hashLines(hashes),
    ]),
    '',
    bold('Programs that load it'),
    ...report.programs.flatMap((verdict) => programLines(verdict, width)),
  ];
}

function headLines(report: AdapterInspection): string[] {
  const { path, title, of, family, modules, parameters, baseModel } = report;
  const what =
    of === 'language' ? 'a language model' : (family ?? 'pictures; of which model is not known');
  const rows: readonly (readonly [string, string])[] = [
    ['format', title],
    ['for', baseModel === null ? what : `${what}: ${baseModel}`],
    [
      'size',
      `${amount(modules.length)} modules, ${amount(parameters)} parameters, ${bytes(report.bytes)}`,
    ],
    ['type', counted(modules.map(({ dtype }) => dtype))],
    ['rank', counted(modules.map(({ rank }) => String(rank)))],
    ['alpha', `${counted(modules.map(({ alpha }) => figure(alpha)))}${alphaNote(modules)}`],
    ['scale', counted(modules.map(({ scale }) => figure(scale)))],
  ];
  return [bold(path), ...rows.map(([label, text]) => `  ${dim(label.padEnd(7))} ${text}`)];
}

/** `16`, or `16 (192 modules), 4 (50)`. */
function counted(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const all = [...counts].sort(([, a], [, b]) => b - a);
  if (all.length === 1) return all[0][0];
  const shown = all.slice(0, 4).map(([value, count]) => `${value} (${count}×)`);
  return `${shown.join(', ')}${all.length > 4 ? ` and ${all.length - 4} others` : ''}`;
}

function alphaNote(modules: readonly InspectedModule[]): string {
  const absent = modules.filter(({ alphaFrom }) => alphaFrom === 'rank').length;
  if (absent === 0) return '';
  const which = absent === modules.length ? 'the file has none' : `${absent} modules have none`;
  return ` (${which}: every loader takes the rank)`;
}

/** Five digits, without zeros at the end. */
const figure = (value: number): string => String(Number(value.toPrecision(5)));

const normText = (norm: number | null): string =>
  norm === null ? 'not finite' : norm.toPrecision(4);

/** Left the first column, right the others; a row of empty texts has none. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  return all.map((row, line) => {
    const text = row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i])))
      .join('  ');
    return `  ${line === 0 ? dim(text) : text}`;
  });
}

const moduleLines = (modules: readonly InspectedModule[]): string[] =>
  table(
    ['', 'weight', 'rank', 'alpha', 'scale', 'norm'],
    modules.map(({ path, name, shape, rank, alpha, scale, norm }) => [
      path ?? name,
      shape.join('×'),
      String(rank),
      figure(alpha),
      figure(scale),
      normText(norm),
    ]),
  );

/** Dead modules, unsound ones, unknown names, tensors beside the modules, warnings. */
function faultLines({ modules, warnings }: AdapterInspection): string[] {
  const named = (members: readonly InspectedModule[]): string => {
    const shown = members.slice(0, 3).map(({ name }) => name);
    return `${shown.join(', ')}${members.length > 3 ? ` and ${members.length - 3} more` : ''}`;
  };
  const groups = new Map<string, InspectedModule[]>();
  const add = (what: string, module: InspectedModule) =>
    groups.set(what, [...(groups.get(what) ?? []), module]);
  for (const module of modules) {
    if (module.dead !== undefined) add(`adds nothing, because ${module.dead}`, module);
    if (module.unsound > 0) add('has numbers that are NaN or infinite', module);
    if (module.path === null) add('has a name that is not known here', module);
  }
  const lines = [
    ...Array.from(groups, ([what, members]) => `${members.length}× ${what}: ${named(members)}`),
    ...warnings.map(noteOf),
  ];
  return lines.length === 0
    ? []
    : [bold('To be noted'), ...lines.map((line) => `  ${yellow(line)}`), ''];
}

/** What an option that was not used has in metadata. */
const unused = /^(None|False|null|\{\}|\[\]|0|0\.0)$/;

function metadataLines({ metadata }: AdapterInspection, width: number, inFull: boolean): string[] {
  const entries = Object.entries(metadata)
    .filter(([key]) => !key.startsWith('sshs_'))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return [bold('Metadata'), `  ${dim('none')}`, ''];
  const longest = entries.reduce((most, [key]) => Math.max(most, key.length), 0);
  const label = Math.min(longest, 32);
  const shown = entries.filter(([, value]) => inFull || !unused.test(value));
  const lines = shown.map(([key, value]) => {
    const text = inFull ? value : cut(value.replace(/\s+/g, ' '), width - label - 3);
    return `  ${dim(key.padEnd(label))} ${text}`;
  });
  const left = entries.length - shown.length;
  const rest = left === 0 ? [] : [dim(`  and ${left} that say that nothing was used: --metadata`)];
  return [bold('Metadata'), ...lines, ...rest, ''];
}

const signals: { readonly [V in ProgramVerdict['loads']]: string } = {
  yes: green('✓'),
  no: red('✗'),
  'in part': yellow('~'),
  'not tried': dim('?'),
};

function programLines(verdict: ProgramVerdict, width: number): string[] {
  const { program, version, loads, reason, fix } = verdict;
  const name = `${program}${version === '' ? '' : dim(` ${version}`)}`;
  const why = [loads === 'not tried' ? 'not tried' : undefined, reason].filter(Boolean).join(' ');
  const remedy = fix === undefined ? '' : `: ${fix}`;
  return [
    `  ${signals[loads]} ${name}`,
    ...(why === '' ? [] : wrapped(`${why}${remedy}`, width - 6).map((line) => `      ${line}`)),
  ];
}
