import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseNegativePrompt, parsePrompt } from './parse-prompt.ts';

const loras = (prompt: string) =>
  parsePrompt(prompt).loras.map(({ name, textEncoder, unet }) => [name, textEncoder, unet]);
const problems = (prompt: string, embeddings?: string[]) =>
  parsePrompt(prompt, { embeddings }).problems.map(({ what }) => what);
const warnings = (prompt: string) => parsePrompt(prompt).warnings.map(({ what }) => what);

test('adapters are taken out of the prompt in their order', () => {
  assert.deepEqual(parsePrompt('a cat <lora:brand:0.8>, neon<lyco:ink>'), {
    text: 'a cat , neon',
    loras: [
      { name: 'brand', textEncoder: 0.8, unet: 0.8 },
      { name: 'ink', textEncoder: 1, unet: 1 },
    ],
    problems: [],
    warnings: [],
  });
});

test('strengths by place and by name', () => {
  assert.deepEqual(
    loras('<lora:a:0.5:0.25><lora:b:unet=0.5><lora:c:te=0><lora:d:-1:unet=2:te=3> <lora: e : .5 >'),
    [
      ['a', 0.5, 0.25],
      ['b', 1, 0.5],
      ['c', 0, 0],
      ['d', 3, 2],
      ['e', 0.5, 0.5],
    ],
  );
});

interface Arguments {
  readonly positional: readonly string[];
  readonly named: Readonly<Record<string, string>>;
}
type Golden = [prompt: string, [text: string, found: Record<string, Arguments[]>]];

test('what is taken out of the text is what WebUI takes out', () => {
  const golden = JSON.parse(readFileSync('reference/golden/webui_prompts.json', 'utf8')) as {
    mentions: Golden[];
  };
  assert.ok(golden.mentions.length > 20);
  for (const [prompt, [text, found]] of golden.mentions) {
    if (parsePrompt(prompt).warnings.some(({ what }) => what.includes('understood as'))) continue;
    const parsed = parsePrompt(prompt);
    assert.equal(parsed.text, text, prompt);
    const named = [...(found.lora ?? []), ...(found.lyco ?? [])].flatMap(({ positional }) =>
      positional.slice(0, 1),
    );
    if (parsed.problems.length === 0)
      assert.deepEqual(
        parsed.loras.map(({ name }) => name),
        named.map((name) => name.trim()),
        prompt,
      );
  }
});

test('adapters as guides print them are understood, and it is said', () => {
  const forms: [string, [string, number, number][]][] = [
    [
      'lora:cyberpunk:0.6, lora:ink_wash:0.4',
      [
        ['cyberpunk', 0.6, 0.6],
        ['ink_wash', 0.4, 0.4],
      ],
    ],
    ['a cat, lora: ink wash: 0.4, neon', [['ink wash', 0.4, 0.4]]],
    ['(lora:a:0.6:0.8)', [['a', 0.6, 0.8]]],
    ['LoRA:brand', [['brand', 1, 1]]],
    ['〈lora:brand:0.7〉', [['brand', 0.7, 0.7]]],
    ['＜lora：名字：0.7＞', [['名字', 0.7, 0.7]]],
    ['＜lora：名：０．７＞，霓虹', [['名', 0.7, 0.7]]],
    ['《lora:水墨:0.5》', [['水墨', 0.5, 0.5]]],
    ['<lora：brand：0.7>', [['brand', 0.7, 0.7]]],
    ['<lora:brand:０．７>', [['brand', 0.7, 0.7]]],
    ['<Lora:brand:0.7>', [['brand', 0.7, 0.7]]],
    ['&lt;lora:brand:0.7&gt;', [['brand', 0.7, 0.7]]],
    ['lora：水墨：0.4，雾', [['水墨', 0.4, 0.4]]],
  ];
  for (const [prompt, expected] of forms) {
    assert.deepEqual(loras(prompt), expected, prompt);
    assert.equal(
      warnings(prompt).filter((what) => what.includes('is understood as <lora:')).length,
      expected.length,
      prompt,
    );
    assert.doesNotMatch(parsePrompt(prompt).text, /lora/i, prompt);
  }
});

test('words that only begin like an adapter stay', () => {
  for (const text of [
    '',
    'a < b > c',
    'a woman called Lora: young',
    'explora:tion',
    'flora:rose',
    '<lora:>',
  ])
    assert.deepEqual(parsePrompt(text), { text, loras: [], problems: [], warnings: [] });
});

test('what cannot be applied is refused by its name', () => {
  const refused: [string, RegExp][] = [
    ['<hypernet:anime:0.5>', /<hypernet:anime:0.5> names a hypernetwork/],
    ['<lora:a:1:lbw=MIDD>', /weights of single blocks \(lbw\)/],
    ['<lora:a:1:1:8>', /a smaller rank \(dyn\)/],
    ['<lora:a:0.8:stop=10>', /stop/],
    ['<lora:a:hr=0.5>', /asks for hr/],
    ['<lora:a:much>', /<lora:a:much> has a strength that is not a number/],
    ['<lora:a:nan>', /not a number/],
    ['<lora::0.5>', /names no file/],
    ['embedding:foo, a cat', /^foo is a textual inversion/],
    ['(embedding:bad-hands:1.2)', /^bad-hands is a textual inversion/],
    ['<embedding:foo>', /names a textual inversion/],
  ];
  for (const [prompt, expected] of refused) {
    assert.equal(problems(prompt).length, 1, prompt);
    assert.match(problems(prompt)[0], expected, prompt);
  }
  const known = ['EasyNegative', 'my style.v2'];
  assert.equal(problems('a cat, easynegative, (My Style.v2:1.1)', known).length, 2);
  assert.equal(problems('uneasynegative, my stylexv2', known).length, 0);
  assert.match(
    parseNegativePrompt('lowres, EasyNegative', { embeddings: known }).problems[0].what,
    /^EasyNegative is a textual inversion/,
  );
});

test('what WebUI makes of a prompt in another way than it seems is said', () => {
  const said: [string, RegExp][] = [
    ['<foo:bar> a cat', /<foo:bar> is no adapter/],
    ['a clock at 12:30', /counts 30 times/],
    ['a ratio of 1:1 ', /counts 1 times/],
    ['(a BREAK b:1.2)', /BREAK inside brackets/],
    ['（杰作：1.2） masterpiece, best quality', /brackets of full width/],
    ['a {red|blue} cat', /Dynamic Prompts/],
    ['a __colour__ cat', /wildcard/],
    ['水墨画，山水', /Latin letters/],
    ['EasyNegative', /mostly the name of a textual inversion/],
  ];
  for (const [prompt, expected] of said) {
    assert.equal(warnings(prompt).length, 1, `${prompt}: ${warnings(prompt).join()}`);
    assert.match(warnings(prompt)[0], expected, prompt);
  }
  for (const prompt of [
    'a cat',
    'a cat ',
    'a cat AND a dog:0.5',
    'a BREAK b',
    '(水墨:1.2), ink wash style',
    '[a|b]',
    '1girl',
    '(a:1.2.3)',
    '猫 cat dog',
  ])
    assert.deepEqual(warnings(prompt), [], prompt);
});

test('an adapter in a negative prompt is text, as in WebUI, and it is said', () => {
  const { text, loras: found, warnings: told } = parseNegativePrompt('blurry <lora:bad:0.5>');
  assert.equal(text, 'blurry <lora:bad:0.5>');
  assert.deepEqual(found, []);
  assert.match(told[0].what, /<lora:bad:0.5> in a negative prompt is text/);
});
