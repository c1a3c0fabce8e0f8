// `="001.png"`: how spreadsheets are made to keep a text as it is.

const alone = /^\s*=\s*"((?:[^"]|"")*)"\s*$/;
const inLine = /(^|[,;\t\r\n])=("(?:[^"]|"")*")(?=[,;\t\r\n]|$)/g;

/** A cell's text, where the cell is a formula that is nothing but a text. */
export function formulaText(cell: string): string | undefined {
  const [, text] = alone.exec(cell) ?? [];
  return text?.replaceAll('""', '"');
}

/** CSV in which such formulas are cells of their text, and how many there were. */
export function withoutFormulas(csv: string): { readonly text: string; readonly count: number } {
  let count = 0;
  const text = csv.replace(inLine, (_, before: string, cell: string) => {
    count++;
    return before + cell;
  });
  return { text, count };
}
