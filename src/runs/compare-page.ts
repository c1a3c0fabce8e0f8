// Two runs side by side as one HTML page that needs nothing else.

import { pageStyle } from '../eval/page-style.ts';
import { escapeHtml, htmlPage } from '../util/html.ts';
import { plural } from '../util/plural.ts';
import { comparedFigures, type Comparison, type Difference } from './compare.ts';
import type { ComparedSamples, SampleCell, SampleRow } from './compare-samples.ts';
import { curveSvg, type Curve } from './curve-svg.ts';
import type { DataChanges } from './data-changes.ts';
import type { KnownRun } from './known-run.ts';

/** The page as text; `samples` are drawn beforehand. */
export function comparisonPage(comparison: Comparison, samples?: ComparedSamples): string {
  const [a, b] = comparison.runs;
  const sections = [
    figureTable(comparison),
    curves(comparison),
    ...(samples === undefined ? [] : [sampleSection(samples)]),
    differenceTable('Settings that differ', comparison.settings, comparison),
    dataSection(comparison),
    differenceTable('What computed', comparison.machine, comparison),
    foot(comparison),
  ];
  return htmlPage({
    title: `${a.title} and ${b.title}`,
    style: pageStyle + ownStyle,
    body: `<h1>Two runs side by side</h1>
<p class="names"><strong class="name-0">${escapeHtml(a.title)}</strong> <span class="where">and</span> <strong class="name-1">${escapeHtml(b.title)}</strong></p>
${sections.filter((html) => html !== '').join('\n')}`,
  });
}

const ownStyle = `
:root { --first: #1f5fbf; --second: #b3541e; }
@media (prefers-color-scheme: dark) { :root { --first: #8db8ff; --second: #ffb184; } }
.names { font-size: 1.5rem; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
.name-0 { color: var(--first); } .name-1 { color: var(--second); }
.figures td { white-space: normal; overflow-wrap: anywhere; }
.figures tbody th { white-space: nowrap; }
.figures thead th.name-0 { color: var(--first); } .figures thead th.name-1 { color: var(--second); }
.curves { width: 100%; max-width: 46rem; height: auto; display: block; font-size: 12px; }
.curves text { fill: var(--quiet); } .curves .rule { stroke: var(--line); }
.curves polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.curve-0 { stroke: var(--first); } .curve-1 { stroke: var(--second); }
.dot-0 { fill: var(--first); } .dot-1 { fill: var(--second); }
.samples { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .75rem; margin-top: .6rem; }
.samples > div { min-width: 0; } .samples .label { margin-top: 0; overflow-wrap: anywhere; }
.samples img { width: 100%; height: auto; border-radius: .4rem; display: block; image-rendering: pixelated; }
.list { columns: 2 16rem; padding-left: 1.2rem; overflow-wrap: anywhere; }
@media (max-width: 34rem) { .samples.answers3 { grid-template-columns: 1fr; } }
`;

// ---- tables

const headOf = ({ runs: [a, b] }: Comparison): string =>
  `<thead><tr><th></th><th scope="col" class="name-0">${escapeHtml(a.title)}</th><th scope="col" class="name-1">${escapeHtml(b.title)}</th></tr></thead>`;

const row = (name: string, [a, b]: readonly [string, string]): string =>
  `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(a)}</td><td>${escapeHtml(b)}</td></tr>`;

const table = (comparison: Comparison, rows: readonly string[]): string =>
  `<table class="figures">${headOf(comparison)}<tbody>${rows.join('')}</tbody></table>`;

const figureTable = (comparison: Comparison): string =>
  table(
    comparison,
    comparedFigures(comparison).map(({ name, values }) => row(name, values)),
  );

function differenceTable(
  title: string,
  differences: readonly Difference[],
  comparison: Comparison,
): string {
  const heading = `<h2>${title}</h2>`;
  if (differences.length === 0) return `${heading}\n<p class="where">Nothing differs.</p>`;
  const rows = differences.map(({ key, values: [a, b] }) => row(key, [a ?? '–', b ?? '–']));
  return `${heading}\n${table(comparison, rows)}`;
}

// ---- curves

function curves({ runs }: Comparison): string {
  const drawn = (title: string, points: (run: KnownRun) => Curve['points']) => {
    const all = runs.map(({ run, title: name }): Curve => ({ title: name, points: points(run) }));
    const svg = curveSvg(title, all);
    return svg === undefined ? '' : `<h2>${title}</h2>\n${svg}`;
  };
  return [
    drawn('Loss, its moving mean', ({ metrics }) =>
      metrics.steps.map(({ step, average }) => ({ step, loss: average })),
    ),
    drawn('Loss on what was held back', ({ metrics }) => metrics.validations),
  ].join('\n');
}

// ---- samples

function sampleSection({ columns, rows }: ComparedSamples): string {
  const isText = rows.some(({ cells }) => cells.some(({ kind }) => kind === 'answer'));
  const title = isText ? 'The same prompts, answered' : 'The same prompts and seeds, drawn';
  return `<h2>${title}</h2>\n${rows.map((one) => sampleCard(one, columns, isText)).join('\n')}`;
}

function sampleCard(
  { prompt, seed, cells }: SampleRow,
  columns: readonly string[],
  isText: boolean,
) {
  const where = seed === undefined ? '' : ` <span class="where">seed ${seed}</span>`;
  const shown = cells.map(
    (cell, i) =>
      `<div><p class="label${i === 0 ? '' : ` name-${i - 1}`}">${escapeHtml(columns[i])}</p>${cellHtml(cell, `${prompt}, ${columns[i]}`)}</div>`,
  );
  return `<article class="card"><h3 class="text" dir="auto">${escapeHtml(prompt)}${where}</h3>
<div class="samples${isText ? ' answers3' : ''}">${shown.join('')}</div></article>`;
}

const cellHtml = (cell: SampleCell, title: string): string =>
  cell.kind === 'picture'
    ? `<img alt="${escapeHtml(title)}" src="data:image/png;base64,${Buffer.from(cell.png).toString('base64')}">`
    : `<p class="text" dir="auto">${cell.text.trim() === '' ? '<span class="nothing">(no answer)</span>' : escapeHtml(cell.text)}</p>`;

// ---- data

function dataSection({ data, runs: [a, b] }: Comparison): string {
  const heading = '<h2>Data</h2>';
  if (data === undefined)
    return `${heading}\n<p class="where">Not known: a run from before 0.2.0 did not record its samples.</p>`;
  const from = `From ${escapeHtml(a.title)} to ${escapeHtml(b.title)}`;
  return `${heading}\n<p>${from}: ${dataSummary(data)}.</p>\n${lists(data)}`;
}

/** `30 samples, then 34: 5 added, 1 removed`. */
export function dataSummary(data: DataChanges): string {
  const { before, after, added, removed, changed, described, moved } = data;
  const counted: readonly (readonly [number, string])[] = [
    [added.length, 'added'],
    [removed.length, 'removed'],
    [changed.length, 'changed'],
    [described.length, 'with another caption or number of repeats'],
    [moved, 'under another name or in another line'],
  ];
  const parts = counted.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
  const change = parts.length === 0 ? 'the same' : parts.join(', ');
  return `${plural(before, 'sample')}, then ${after}: ${change}`;
}

/** The lists that have something, by what became of their samples. */
export const dataLists = ({ added, removed, changed, described }: DataChanges) =>
  [
    { title: 'Added', names: added },
    { title: 'Removed', names: removed },
    { title: 'Changed', names: changed },
    { title: 'Described otherwise', names: described },
  ].filter(({ names }) => names.length > 0);

/** So many names; a page of a hundred thousand lines helps nobody. */
const MOST = 1000;

const lists = (data: DataChanges): string =>
  dataLists(data)
    .map(({ title, names }) => {
      const shown = names.slice(0, MOST).map((name) => `<li>${escapeHtml(name)}</li>`);
      const more = names.length > MOST ? [`<li>and ${names.length - MOST} more</li>`] : [];
      return `<h3>${title}</h3>\n<ul class="list">${[...shown, ...more].join('')}</ul>`;
    })
    .join('\n');

const foot = ({ runs }: Comparison): string => {
  const lines = runs.map(
    ({ title, run, checkpoint }) =>
      `${escapeHtml(title)}: ${escapeHtml(run.facts.id)}${checkpoint === undefined ? '' : `, step ${checkpoint.step}`}, seed ${run.facts.seed}`,
  );
  return `<footer><p>${lines.join('<br>')}</p></footer>`;
};
