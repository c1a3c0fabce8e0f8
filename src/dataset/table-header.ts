// Which columns of a table of captions hold the names and the captions, in the languages and
// spellings that people head them with.
import type { Problem } from '../errors.ts';
import { nearest } from '../util/look-alike.ts';
import { BLANKS, INVISIBLE, withCodes } from '../util/visible.ts';

export interface Columns {
  /** From 0. */
  readonly name: number;
  readonly caption: number;
}

export type Header =
  | { readonly columns: Columns; readonly warnings: readonly Problem[] }
  | { readonly problem: Problem };

/** Headers without blanks, `_` and `-`, in lower case; the first go before the others. */
const own = {
  name: ['filename', 'file', 'image', 'imagename', 'path'],
  caption: ['prompt', 'text', 'caption'],
};
const other = {
  name: [
    ...['filepath', 'imagepath', 'imagefile', 'imagefilename', 'picture', 'img', 'name'],
    ...['文件名', '文件名称', '文件', '文件路径', '图片名', '图片名称', '图片文件名', '图片文件'],
    ...['图片路径', '图片', '图像名称', '图像文件', '图像', '路径', '名称'],
    ...['檔案名稱', '檔名', '檔案', '圖片名稱', '圖片檔名', '圖片', '圖像', '影像', '路徑', '名稱'],
    ...['ファイル名', 'ファイル', '画像名', '画像ファイル', '画像', 'パス'],
    ...['파일명', '파일이름', '파일', '이미지명', '이미지', '경로'],
    ...['dateiname', 'datei', 'bild', 'bildname', 'bilddatei', 'pfad'],
    ...['nomdefichier', 'nomdufichier', 'fichier', 'chemin'],
    ...['nombredearchivo', 'nombredelarchivo', 'archivo', 'fichero', 'imagen', 'ruta'],
    ...['nomedoarquivo', 'arquivo', 'imagem', 'caminho', 'nomefile', 'immagine'],
    ...['bestandsnaam', 'afbeelding', 'имяфайла', 'файл', 'изображение', 'картинка', 'путь'],
  ],
  caption: [
    ...['description', 'captions', 'prompts', 'captiontext', 'imagecaption', 'tags', 'label'],
    ...[
      '提示词',
      '提示',
      '描述词',
      '关键词',
      '图片说明',
      '图片描述',
      '描述',
      '说明',
      '标题',
      '标注',
      '文本',
      '文字',
      '标签',
    ],
    ...[
      '提示詞',
      '描述詞',
      '關鍵詞',
      '圖片說明',
      '圖片描述',
      '說明',
      '敘述',
      '標題',
      '標註',
      '標籤',
    ],
    ...['プロンプト', 'キャプション', '説明', 'テキスト', 'タグ'],
    ...['프롬프트', '캡션', '설명', '텍스트', '태그'],
    ...['beschreibung', 'beschriftung', 'bildbeschreibung', 'bildunterschrift'],
    ...['légende', 'texte', 'étiquettes', 'descripción', 'leyenda', 'texto', 'etiquetas'],
    ...['descrição', 'legenda', 'descrizione', 'didascalia', 'testo', 'beschrijving'],
    ...['описание', 'подпись', 'текст', 'промпт', 'теги'],
  ],
};

const ignored = new RegExp(`[\\s_"'${BLANKS}${INVISIBLE}-]`, 'gu');
const plain = (cell: string): string => cell.normalize('NFKC').toLowerCase().replace(ignored, '');

/** The columns by the table's first line, whose cells are `cells`; `line` is the whole of it. */
export function readHeader(cells: readonly string[], line: string, shown: string): Header {
  const headers = cells.map(plain);
  const [name, ...names] = columnsOf(headers, 'name');
  const [caption, ...captions] = columnsOf(headers, 'caption');
  const where = `${shown}:1`;
  if (name === undefined || caption === undefined)
    return { problem: { where, ...whyNot(cells, line, { name, caption }) } };
  const isOurs = own.name.includes(headers[name]) && own.caption.includes(headers[caption]);
  const unused = [...names, ...captions].map((column) => `"${withCodes(cells[column])}"`);
  const [names_, captions_] = [name, caption].map((column) => `"${withCodes(cells[column])}"`);
  const warnings = [
    ...(isOurs ? [] : [`${names_} is read as filename, and ${captions_} as prompt`]),
    ...(unused.length === 0
      ? []
      : [
          `names are taken from the column ${names_} and captions from ${captions_}; not used: ${unused.join(', ')}`,
        ]),
  ];
  return { columns: { name, caption }, warnings: warnings.map((what) => ({ where, what })) };
}

/** All columns that may be meant, the likeliest first. */
function columnsOf(headers: readonly string[], kind: keyof typeof own): number[] {
  const rank = (header: string): number => [...own[kind], ...other[kind]].indexOf(header);
  return headers
    .map((header, column) => ({ column, rank: rank(header) }))
    .filter((found) => found.rank >= 0)
    .sort((a, b) => a.rank - b.rank)
    .map(({ column }) => column);
}

function whyNot(
  cells: readonly string[],
  line: string,
  { name, caption }: Partial<Columns>,
): Pick<Problem, 'what' | 'fix'> {
  if (line.includes('，'))
    return {
      what: headerFault(line),
      fix: 'The commas are full-width ones (，): write ordinary commas.',
    };
  if (line.includes('|'))
    return {
      what: headerFault(line),
      fix: 'The columns are divided by |: divide them by commas, and put captions with commas in double quotes.',
    };
  if ((name === undefined) === (caption === undefined))
    return { what: headerFault(line), fix: 'Add the line filename,prompt at the top.' };
  const [kind, wanted] =
    name === undefined ? (['name', 'filename'] as const) : (['caption', 'prompt'] as const);
  const rest = cells.filter((_, column) => column !== (name ?? caption) && cells[column] !== '');
  const meant = rest.find((cell) => nearest(plain(cell), own[kind]) !== undefined) ?? rest[0];
  return {
    what: `no column has ${kind === 'name' ? 'the names of the pictures' : 'the captions'}: the header is "${line.slice(0, SHOWN)}"`,
    fix:
      meant === undefined
        ? `Add a column called ${wanted}.`
        : `If that is the column "${meant}", call it ${wanted}.`,
  };
}

/** Characters of the header that a message repeats. */
const SHOWN = 60;

const headerFault = (line: string): string =>
  `the first line must be the header "filename,prompt", but is ${line.trim() === '' ? 'nothing' : `"${line.slice(0, SHOWN)}"`}`;
