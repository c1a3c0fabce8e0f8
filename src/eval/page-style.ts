// The look of the evaluation's page: one column on a phone, two answers side by side where there is
// room, light and dark.

export const pageStyle = `
:root { color-scheme: light dark; --ground: #f6f5f2; --card: #fff; --ink: #1d1c1a; --quiet: #6a6762; --line: #dedbd4;
  --good: #17693a; --good-ground: #dcf1e2; --bad: #a3261f; --bad-ground: #fbe0dd; --plain-ground: #ebe9e4; --doubt: #7a5200; --doubt-ground: #fbedcb; }
@media (prefers-color-scheme: dark) { :root { --ground: #161615; --card: #201f1e; --ink: #ebe9e5; --quiet: #a19d96; --line: #393734;
  --good: #83d79d; --good-ground: #173824; --bad: #ff9d94; --bad-ground: #4a1d1a; --plain-ground: #2d2b29; --doubt: #f1c765; --doubt-ground: #402f0a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans", "Noto Sans CJK SC", sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.05rem; font-weight: 600; color: var(--quiet); margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; font-weight: 600; }
.verdict { border-radius: .6rem; padding: 1.1rem 1.25rem; border-left: .4rem solid currentColor; }
.verdict strong { font-size: 1.5rem; line-height: 1.25; display: block; }
.verdict p { color: var(--ink); margin: .5rem 0 0; max-width: 46rem; }
.better { color: var(--good); background: var(--good-ground); }
.worse, .forgot { color: var(--bad); background: var(--bad-ground); }
.same { color: var(--quiet); background: var(--plain-ground); }
.unclear { color: var(--doubt); background: var(--doubt-ground); }
.figures { border-collapse: collapse; width: 100%; max-width: 46rem; }
.figures th, .figures td { text-align: left; padding: .45rem 1.25rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.figures thead th { font-weight: 500; color: var(--quiet); }
.figures tbody th { font-weight: 500; }
.figures td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.figures small { display: block; color: var(--quiet); font-weight: 400; line-height: 1.35; }
.up { color: var(--good); font-weight: 600; } .down { color: var(--bad); font-weight: 600; }
.filter { position: absolute; opacity: 0; pointer-events: none; }
.filters { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; }
.filters label { padding: .3rem .8rem; border: 1px solid var(--line); border-radius: 2rem; cursor: pointer; background: var(--card); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; margin: 0 0 1rem; }
.card header { display: flex; gap: .75rem; justify-content: space-between; align-items: baseline; }
.badge { border-radius: 2rem; padding: .1rem .65rem; font-size: .85rem; white-space: nowrap; }
.where { color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.label { color: var(--quiet); font-size: .85rem; margin: .75rem 0 .1rem; }
.answers { display: grid; grid-template-columns: 1fr; gap: .75rem; margin-top: .75rem; }
.answers > div { border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; min-width: 0; }
.answers .label { margin-top: 0; }
.notes { list-style: none; margin: .5rem 0 0; padding: 0; font-size: .9rem; }
mark { color: inherit; border-radius: .2rem; padding: 0 .1em; }
mark.fact { background: var(--good-ground); box-shadow: inset 0 -2px var(--good); }
mark.forbidden { background: var(--bad-ground); box-shadow: inset 0 -2px var(--bad); }
.nothing { color: var(--quiet); font-style: italic; }
footer { color: var(--quiet); font-size: .9rem; max-width: 46rem; margin-top: 2.5rem; }
@media (min-width: 44rem) { .answers { grid-template-columns: 1fr 1fr; } }
@media print { .filters { display: none; } .card { break-inside: avoid; } }
`;

/** Rules that show only cards of the kind chosen, and highlight the choice; without JavaScript. */
export const filterRules = (set: string, kinds: readonly string[]): string =>
  kinds
    .map((kind) => {
      const id = `${set}-${kind}`;
      const hide =
        kind === 'all' ? '' : `#${id}:checked ~ .card:not(.is-${kind}) { display: none; }\n`;
      return `${hide}#${id}:checked ~ .filters label[for="${id}"] { background: var(--ink); color: var(--ground); border-color: var(--ink); }\n#${id}:focus-visible ~ .filters label[for="${id}"] { outline: 2px solid currentColor; outline-offset: 2px; }`;
    })
    .join('\n');
