// The evaluation as one HTML page that needs nothing else: verdict, figures, answers side by side.
import { escapeHtml, htmlPage } from '../util/html.ts';
import { figureRows, perplexityText, share } from './figures.ts';
import { highlights } from './score.ts';
import { filterRules, pageStyle } from './page-style.ts';
import { askedText, type Question } from './questions.ts';
import type { EvalResult, Judged, JudgedQuestion, SetResult, VerdictKind } from './result.ts';
import { perToken } from './totals.ts';

const colours: Readonly<Record<VerdictKind, string>> = {
  better: 'better',
  same: 'same',
  worse: 'worse',
  forgot: 'forgot',
  'too few questions': 'unclear',
};

/** The page; it asks the network for nothing and runs no script. */
export function evaluationPage(result: EvalResult): string {
  const { verdict, names, questions, general } = result;
  const sets = [
    setSection('questions', 'The questions', questions),
    ...(general === undefined
      ? []
      : [setSection('general', 'The general set: what the base model could do already', general)]),
  ];
  return htmlPage({
    title: `${verdict.headline}: ${names.adapter}`,
    style: `${pageStyle}${sets.map(({ rules }) => rules).join('\n')}`,
    body: `<h1>${escapeHtml(names.adapter)} on ${escapeHtml(names.base)}, asked ${escapeHtml(names.questions)}</h1>
<div class="verdict ${colours[verdict.kind]}"><strong>${escapeHtml(verdict.headline)}</strong>${verdict.reasons.map((reason) => `<p>${escapeHtml(reason)}</p>`).join('')}</div>
${sets.map(({ html }) => html).join('\n')}
<footer><p>Both columns are the same model, asked the same way; each word is the likeliest one (greedy), so that asking again gives the same answers. Letters’ case and width, spaces and punctuation do not count. “More than chance explains” means: without an effect, a difference like this would appear less than once in forty such sets of questions.</p></footer>`,
  });
}

// ---- a set

const kindNames = { all: 'All', better: 'Better', same: 'Same', worse: 'Worse' } as const;
type CardKind = Exclude<keyof typeof kindNames, 'all'>;
const cardKinds: readonly CardKind[] = ['better', 'same', 'worse'];

function setSection(id: string, title: string, set: SetResult): { html: string; rules: string } {
  const kinds = set.questions.map(kindOf);
  const shown = ['all' as const, ...cardKinds.filter((kind) => kinds.includes(kind))];
  const choices = shown.map(
    (kind) =>
      `<input class="filter" type="radio" name="${id}" id="${id}-${kind}"${kind === 'all' ? ' checked' : ''}>`,
  );
  const labels = shown.map(
    (kind) =>
      `<label for="${id}-${kind}">${kindNames[kind]} ${kind === 'all' ? kinds.length : kinds.filter((one) => one === kind).length}</label>`,
  );
  const html = `<section>
<h2>${title}</h2>
${figureTable(set)}
<h2>Answers</h2>
${choices.join('')}
<div class="filters">${labels.join('')}</div>
${set.questions.map((judged, i) => card(judged, kinds[i])).join('\n')}
</section>`;
  return { html, rules: filterRules(id, shown) };
}

function figureTable(set: SetResult): string {
  const rows = figureRows(set).map(({ name, meaning, base, adapter, gain }) => {
    const colour = gain > 0 ? ' class="up"' : gain < 0 ? ' class="down"' : '';
    return `<tr><th scope="row">${name}<small>${meaning}</small></th><td>${base}</td><td${colour}>${adapter}</td></tr>`;
  });
  return `<table class="figures"><thead><tr><th></th><th scope="col">without</th><th scope="col">with</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** Of answers their score tells; of texts, and where nothing else is asked, how likely they are. */
function kindOf({ base, adapter }: JudgedQuestion): CardKind {
  if (losesFacts(base, adapter)) return 'worse';
  const likely =
    base.likelihood === undefined || adapter.likelihood === undefined
      ? 0
      : perToken(adapter.likelihood) - perToken(base.likelihood);
  const gain =
    base.score === undefined || adapter.score === undefined ? likely : adapter.score - base.score;
  return gain > 0.005 ? 'better' : gain < -0.005 ? 'worse' : 'same';
}

/** An answer that is wrong now is no better for its words; unless the other one was forbidden. */
const losesFacts = (base: Judged, adapter: Judged): boolean =>
  (base.forbidden ?? []).length === 0 && factsIn(adapter) < factsIn(base);

const factsIn = ({ facts = [] }: Judged): number => facts.filter(Boolean).length;

// ---- a question

function card(judged: JudgedQuestion, kind: CardKind): string {
  const { question, base, adapter } = judged;
  const asks = question.prompt.kind !== 'text';
  const topic = question.topic === undefined ? '' : `${escapeHtml(question.topic)} · `;
  const expected =
    asks && question.expected !== undefined
      ? `<p class="label">Expected</p>${highlighted(question.expected, question)}`
      : '';
  return `<article class="card is-${kind}">
<header><span class="where">${topic}${escapeHtml(question.where)}</span><span class="badge ${kind}">${kind}</span></header>
${context(question)}<h3 class="text" dir="auto">${escapeHtml(askedText(question))}</h3>
${expected}
<div class="answers"><div><p class="label">Without the adapter</p>${answer(base, question)}</div><div><p class="label">With the adapter</p>${answer(adapter, question)}</div></div>
</article>`;
}

/** System message and earlier turns. */
function context({ prompt }: Question): string {
  if (prompt.kind !== 'chat') return '';
  return (
    prompt.messages
      .slice(0, -1)
      .map(
        ({ role, content }) =>
          `<p class="label">${role}</p><p class="text" dir="auto">${escapeHtml(content)}</p>\n`,
      )
      .join('') + (prompt.messages.length > 1 ? '<p class="label">user</p>' : '')
  );
}

function answer(
  { answer: said, likelihood, facts, forbidden, overlap, exact }: Judged,
  question: Question,
): string {
  const missing = (facts ?? []).flatMap((there, i) => (there ? [] : [question.facts[i][0]]));
  const notes = [
    ...(exact === true ? ['<li class="up">✓ as expected</li>'] : []),
    ...missing.map((fact) => `<li class="down">✗ missing: “${escapeHtml(fact)}”</li>`),
    ...(forbidden ?? []).map(
      (phrase) => `<li class="down">✗ forbidden: “${escapeHtml(phrase)}”</li>`,
    ),
    `<li class="where">${[...(overlap === undefined ? [] : [`words shared ${share(overlap)}`]), ...(likelihood === undefined ? [] : [`perplexity ${perplexityText(Math.exp(-perToken(likelihood)))}`])].join(' · ')}</li>`,
  ];
  const text =
    said === undefined
      ? ''
      : said.trim() === ''
        ? '<p class="text nothing">(no answer)</p>'
        : highlighted(said, question);
  return `${text}<ul class="notes">${notes.join('')}</ul>`;
}

function highlighted(text: string, question: Question): string {
  const { text: source, places } = highlights(text, question);
  let html = '';
  let at = 0;
  for (const { start, end, kind } of places) {
    html += `${escapeHtml(source.slice(at, start))}<mark class="${kind}">${escapeHtml(source.slice(start, end))}</mark>`;
    at = end;
  }
  return `<p class="text" dir="auto">${html}${escapeHtml(source.slice(at))}</p>`;
}

/** The files of an evaluation by name: the page, and the same as JSON for programs. */
export function evaluationFiles(result: EvalResult): ReadonlyMap<string, Uint8Array> {
  const encoder = new TextEncoder();
  return new Map([
    ['eval.html', encoder.encode(evaluationPage(result))],
    ['eval.json', encoder.encode(`${JSON.stringify(result, null, 2)}\n`)],
  ]);
}
