// Files of every encoding that people save captions in: read as they are, refused, or guessed
// rightly.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeText, decodeTogether, unicodeText } from './decode-text.ts';

// From reference/text_encodings.py.
const golden: Readonly<Record<string, readonly (readonly [text: string, hex: string])[]>> =
  JSON.parse(
    readFileSync(new URL('../../../reference/golden/text_encodings.json', import.meta.url), 'utf8'),
  );

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const latin = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const textOf = (file: Uint8Array): string | undefined => {
  const found = decodeText(file);
  return 'text' in found ? found.text : undefined;
};
const refusal = (file: Uint8Array): string => {
  const found = decodeText(file);
  assert.ok('what' in found, JSON.stringify(found));
  return `${found.line ?? '-'}: ${found.what}`;
};

/** Of the texts alone, at most this share is refused; what is read is right. */
const refused: Readonly<Record<string, number>> = {
  'windows-1252': 0.3,
  gb18030: 0.35,
  big5: 0.15,
  shift_jis: 0.15,
  'euc-jp': 0,
  'euc-kr': 0.45,
  'windows-1251': 0.3,
  'windows-1250': 0.5,
  'windows-1254': 0.4,
};

for (const [encoding, texts] of Object.entries(golden))
  test(`${encoding}: a text alone is read rightly or refused, never wrongly`, () => {
    const read = texts.map(([text, hex]) => [text, textOf(bytes(hex))] as const);
    for (const [text, found] of read) if (found !== undefined) assert.equal(found, text);
    const share = read.filter(([, found]) => found === undefined).length / texts.length;
    assert.ok(share <= (refused[encoding] ?? 1), `${share} refused`);
  });

for (const encoding of ['windows-1252', 'gb18030', 'big5', 'shift_jis', 'euc-kr', 'windows-1251'])
  test(`${encoding}: captions too short to tell are judged with their folder`, () => {
    const texts = golden[encoding];
    const found = decodeTogether(texts.map(([, hex]) => bytes(hex)));
    assert.deepEqual(
      found.map((one) => ('text' in one ? one.text : one.what)),
      texts.map(([text]) => text),
    );
  });

test('the apostrophe of Windows-1252 is no Chinese character', () => {
  const found = decodeText(latin('a portrait\nthe artist\x92s own'));
  assert.deepEqual(found, {
    text: 'a portrait\nthe artist’s own',
    guess: { encoding: 'Windows-1252', line: 2, excerpt: 'the artist’s own' },
  });
});

test('the excerpt of a guess held the brackets of JSON, and its line was wrong where lines end in CR', () => {
  const told = (text: string) => {
    const found = decodeText(latin(text));
    assert.ok('text' in found && found.guess !== undefined, text);
    return [found.guess.line, found.guess.excerpt];
  };
  assert.deepEqual(
    told('{"text": "plain"}\n{"prompt": "Where?", "completion": "the artist\x92s own"}'),
    [2, 'the artist’s own'],
  );
  assert.deepEqual(told('prompt,completion\r\n"Where?","the artist\x92s own, says he"'), [
    2,
    'the artist’s own, says he',
  ]);
  assert.deepEqual(told('one\rtwo\rthe artist\x92s own\rfour'), [3, 'the artist’s own']);
});

test('an unclear or damaged encoding is reported at its own line, with the words of that line', () => {
  const shown = (content: Uint8Array) => refusal(content);
  const both = new TextEncoder().encode('a caf\u00e9\r');
  assert.match(shown(Uint8Array.from([...both, ...latin('{"a": "tea \xe9"}')])), /^2: .*"tea /);
  const lost = Buffer.from('\ufeffone\ntwo\nthe cat \ud800 sits', 'utf16le');
  assert.match(shown(lost), /UTF-16/);
  const wide = Buffer.from('\ufeff一只猫\n坐在窗边', 'utf16le').subarray(0, -1);
  assert.match(shown(wide), /UTF-16/);
});

test('a folder of GB18030 decides over one caption whose bytes are also UTF-8', () => {
  const cat = bytes('c3a8'); // 猫 in GB18030, è in UTF-8
  assert.equal(textOf(cat), 'è');
  const others = golden['gb18030'].map(([, hex]) => bytes(hex));
  const [found] = decodeTogether([cat, ...others]);
  assert.equal('text' in found && found.text, '猫');
  const coffee = new TextEncoder().encode('café');
  const [kept] = decodeTogether([coffee, ...others]);
  assert.deepEqual(kept, { text: 'café' });
});

test('a folder of mixed encodings: each file is read by itself where it is clear', () => {
  const [one, two] = decodeTogether([latin('the artist\x92s own'), bytes(golden['gb18030'][3][1])]);
  assert.deepEqual(
    [one, two].map((found) => 'text' in found && found.text),
    ['the artist’s own', golden['gb18030'][3][0]],
  );
});

test('UTF-8 and UTF-16, with and without byte order mark', () => {
  for (const text of [
    'café',
    '你好，世界',
    'plain',
    'the artist’s own',
    '🐈 cat',
    'Հայերեն',
    'İstanbul',
    'question 9 İ\nquestion 10 İ',
    'ł',
    'µ',
    'ñandú, ÿ, õ',
    'Ω',
    'за́мок',
    'שלום',
  ]) {
    const utf8 = new TextEncoder().encode(text);
    assert.deepEqual(decodeText(utf8), { text });
    assert.deepEqual(decodeText(Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8])), { text });
    const little = Buffer.from(text, 'utf16le');
    const big = Buffer.from(little).swap16();
    assert.deepEqual(decodeText(Uint8Array.from([0xff, 0xfe, ...little])), { text });
    assert.deepEqual(decodeText(Uint8Array.from([0xfe, 0xff, ...big])), { text });
  }
  for (const text of ['a red car in the rain', 'ok']) {
    const little = Buffer.from(text, 'utf16le');
    assert.equal(textOf(little), text);
    assert.equal(textOf(Buffer.from(little).swap16()), text);
  }
  assert.equal(
    textOf(Buffer.from('一个穿着红裙子的女孩站在窗边', 'utf16le')),
    '一个穿着红裙子的女孩站在窗边',
  );
});

test('UTF-16 without byte order mark is read though 退 has a zero on the side of its letters', () => {
  const lines = ['你好,订单在哪里?', '可以退货吗?']
    .map((text) => JSON.stringify({ text }))
    .join('\n');
  const little = new Uint8Array(Buffer.from(lines, 'utf16le'));
  const big = new Uint8Array(Buffer.from(lines, 'utf16le').swap16());
  for (const bytes of [little, big]) assert.deepEqual(decodeText(bytes), { text: lines });
});

test('two lines of Russian in Windows-1251 are not called damaged Hebrew', () => {
  const byteOf = (character: string): number => {
    const code = character.charCodeAt(0);
    return code < 128 ? code : code - 0x410 + 0xc0;
  };
  const text = [
    'Где мой заказ? Ваш заказ уже отправлен.',
    'Можно вернуть? Да, в течение двух недель.',
  ];
  const found = decodeText(Uint8Array.from(text.join('\n'), byteOf));
  assert.ok('text' in found, JSON.stringify(found));
  assert.equal(found.text, text.join('\n'));
  assert.equal(found.guess?.encoding, 'Windows-1251');
});

test('damaged UTF-8 is refused with its line, not read in an old encoding', () => {
  const long = Array.from({ length: 5000 }, (_, i) => `第${i}行，一只猫坐在窗边`).join('\n');
  const stray = new TextEncoder().encode(long);
  stray[stray.length - 20] = 0xff;
  assert.match(refusal(stray), /^5000: is not UTF-8, or is damaged: ".*\ufffd/);
  const cut = new TextEncoder().encode('a\nb\n世界').subarray(0, -1);
  assert.match(refusal(cut), /^3: is not UTF-8/);
  assert.match(refusal(Uint8Array.from([0x61, 0x0a, 0xc0, 0x80, 0x62])), /^2: /); // overlong
  const surrogate = Uint8Array.from([
    ...new TextEncoder().encode('世界世界世界世界'),
    0xed,
    0xa0,
    0x80,
  ]);
  assert.match(refusal(surrogate), /^1: is not UTF-8/);
  const both = Uint8Array.from([...new TextEncoder().encode('a café\n'), ...latin('a caf\xe9')]);
  assert.match(refusal(both), /^2: /);
});

test('a text partly in UTF-8 and partly in Windows-1252 was trained as "a lamp â€” café"', () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  for (const [well, ill] of [
    ['a lamp — in ', 'caf\xe9'],
    ['café and ', 'caf\xe9, the artist\x92s own'],
    ['红 lamp, ', '\x93neon\x94 and \x96 more'],
    ['“neon”, ', 'na\xefve'],
  ])
    assert.match(
      refusal(Uint8Array.from([...utf8(well), ...latin(ill)])),
      /^1: (is not UTF-8, or is damaged: ".*\ufffd|has an unclear encoding)/,
    );
  for (const whole of [
    'El SE\xd1OR de Espa\xf1a, ma\xf1ana',
    'S\xe3o Paulo \xe0 c\xf4t\xe9',
    'it\x92s caf\xe9 \x96 ol\xe9',
  ])
    assert.ok('text' in decodeText(latin(whole)), whole);
});

test('what is no text is refused by its name', () => {
  assert.match(refusal(latin('\x89PNG\r\n\x1a\n\0\0\0\rIHDR')), /PNG/);
  assert.match(refusal(latin('\xff\xd8\xff\xe0\0\x10JFIF')), /JPEG/);
  assert.match(refusal(latin('PK\x03\x04 and so on')), /Excel/);
  assert.match(refusal(Uint8Array.from({ length: 256 }, (_, i) => i)), /is not a text file/);
  assert.match(refusal(latin('\xff\xfe\0\0a\0\0\0')), /UTF-32/);
  assert.match(refusal(latin('\0\0\xfe\xff\0\0\0a')), /UTF-32/);
});

test('files of programs are Unicode: nothing is guessed', () => {
  assert.equal(unicodeText(new TextEncoder().encode('\ufeff{"a": "é"}')), '{"a": "é"}');
  assert.throws(() => unicodeText(latin('{\n"a": "\xe9"}')), /line 2 is not UTF-8/);
});
