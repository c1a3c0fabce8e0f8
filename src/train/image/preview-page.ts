// The previews of a run as one HTML page that needs nothing else: the verdict, the losses, and each
// prompt over the steps, copies beside what they are copies of.

import { encodePng } from '../../dataset/image.ts';
import type { TrainingVerdict } from '../../events.ts';
import { pageStyle } from '../../eval/page-style.ts';
import { curveSvg } from '../../runs/curve-svg.ts';
import { escapeHtml, htmlPage } from '../../util/html.ts';
import type { History } from '../history.ts';
import { trainingVerdict, type Preview } from '../overfitting.ts';
import {
  lookName,
  previewPath,
  readPreview,
  shownLooks,
  type PreviewFiles,
} from './preview-strip.ts';

export interface PageSource extends PreviewFiles {
  /** Of the adapter. */
  readonly name: string;
  /** Where the training pictures are, by name. */
  readonly pathOf: ReadonlyMap<string, string>;
}

const colours: Readonly<Record<TrainingVerdict['kind'], string>> = {
  sound: 'better',
  overfit: 'worse',
  copies: 'worse',
  unclear: 'unclear',
};

const style = `
.strip { overflow-x: auto; }
.strip table { border-collapse: collapse; }
.strip th, .strip td { padding: .3rem; text-align: left; vertical-align: top; font-weight: 500; font-size: .85rem; color: var(--quiet); }
.strip img { display: block; width: 10rem; height: auto; border-radius: .3rem; image-rendering: auto; }
.strip td.copy > img { outline: 3px solid var(--bad); }
.strip .source { display: flex; gap: .4rem; align-items: center; margin-top: .3rem; color: var(--bad); }
.strip .source img { width: 3.5rem; outline: none; }
.strip .best { color: var(--good); }
svg.curves { width: 100%; max-width: 46rem; height: auto; font-size: 13px; fill: currentColor; }
.curves polyline { fill: none; stroke-width: 2; }
.curves .rule { stroke: var(--line); }
.curve-0 { stroke: var(--bad); } .dot-0 { fill: var(--bad); } .name-0 { color: var(--bad); }
.curve-1 { stroke: var(--good); } .dot-1 { fill: var(--good); } .name-1 { color: var(--good); }
`;

/** The page; it asks the network for nothing and runs no script. */
export async function previewPage(source: PageSource): Promise<string> {
  const { history, final, name } = source;
  const verdict = trainingVerdict(history.looks, history.at, final);
  const title = final ? verdict.headline : `So far: ${verdict.headline}`;
  const body = `<h1>${escapeHtml(name)} over the steps of its training</h1>
<div class="verdict ${colours[verdict.kind]}"><strong>${escapeHtml(title)}</strong>${verdict.reasons.map((reason) => `<p>${escapeHtml(reason)}</p>`).join('')}</div>
${lossesOf(history)}
<h2>The same prompts and seed</h2>
${await stripOf(source)}
<footer><p>Likeness compares tones and outlines with those of every training picture, also mirrored and cut, less what all of them have in common: 1 is the same picture, about 0 nothing in common. A copy is closer to a training picture than the training pictures are to each other.</p></footer>`;
  return htmlPage({ title: `${name}: ${title}`, style: `${pageStyle}${style}`, body });
}

/** The curves of what is held back and of what is trained; nothing where nothing is held back. */
function lossesOf({ looks, best }: History): string {
  const points = (of: 'loss' | 'trainLoss') =>
    looks.flatMap(({ step, validation }) =>
      validation === undefined ? [] : [{ step, loss: validation[of] }],
    );
  const curves = [
    { title: 'what is held back', points: points('loss') },
    { title: 'what is trained', points: points('trainLoss') },
  ];
  const svg = curveSvg('Loss', curves);
  if (svg === undefined) return '';
  const lowest = best === undefined ? '' : `; lowest at step ${best}`;
  return `<h2>Losses, measured the same way at every look</h2>
${svg}
<p><span class="name-0">held back</span>${lowest}; <span class="name-1">trained</span></p>`;
}

async function stripOf(source: PageSource): Promise<string> {
  const { shown, all } = shownLooks(source.history);
  const { best } = source.history;
  const heads = shown.map(
    ({ step }) =>
      `<th scope="col"${step === best ? ' class="best"' : ''}>${lookName(step, best)}</th>`,
  );
  const rows: string[] = [];
  for (const [i, { prompt }] of shown[0].previews.entries()) {
    const cells = await Promise.all(shown.map(({ previews }) => cellOf(previews[i], source)));
    rows.push(`<tr><th colspan="${shown.length}" dir="auto">${escapeHtml(prompt)}</th></tr>
<tr>${cells.join('')}</tr>`);
  }
  const note =
    shown.length < all
      ? `<p class="where">${shown.length} of the ${all} previews; all are in the folder previews.</p>`
      : '';
  return `<div class="strip"><table><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>${note}`;
}

/** Pixels of the training picture beside its copy. */
const SMALL = 112;

async function cellOf(
  preview: Preview | undefined,
  { folder, pathOf }: PageSource,
): Promise<string> {
  if (preview === undefined) return '<td></td>';
  const { nearest } = preview;
  const picture = await embedded(previewPath(folder, preview), preview.prompt);
  if (nearest === undefined) return `<td>${picture}</td>`;
  const text = `${nearest.likeness.toFixed(2)} like ${escapeHtml(nearest.name)}`;
  if (!nearest.isCopy) return `<td>${picture}${text}</td>`;
  const path = pathOf.get(nearest.name);
  const beside = path === undefined ? '' : await embedded(path, nearest.name, SMALL);
  return `<td class="copy">${picture}<div class="source">${beside}<span>a copy: ${text}</span></div></td>`;
}

async function embedded(path: string, text: string, most?: number): Promise<string> {
  const picture = await readPreview(path, most);
  if (picture === undefined) return '<p>(the file is gone)</p>';
  const png = await encodePng(picture.rgb, picture.width, picture.height);
  return `<img alt="${escapeHtml(text)}" src="data:image/png;base64,${Buffer.from(png).toString('base64')}">`;
}
