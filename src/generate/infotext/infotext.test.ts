// Against reference/golden/webui_infotext.json, which WebUI's own code, Pillow and piexif made
// (reference/webui_infotext.py).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodePng } from '../../dataset/image.ts';
import { completeFields, parseInfotext } from './parse-infotext.ts';
import { readPictureText } from './picture-text.ts';
import { readPngTexts, withPngTexts } from './png-text.ts';
import { writeInfotext } from './write-infotext.ts';

interface Settings {
  readonly prompt: string;
  readonly negative?: string;
}
const golden = JSON.parse(readFileSync('reference/golden/webui_infotext.json', 'utf8')) as {
  created: [Settings, string][];
  parsed: [string, Record<string, unknown>][];
  pictures: [kind: string, text: string, base64: string][];
};

test('every text is parsed as by WebUI, with what it has where nothing is said', () => {
  assert.ok(golden.parsed.length > 50);
  for (const [text, expected] of golden.parsed) {
    const fields = completeFields(parseInfotext(text));
    assert.deepEqual(Object.fromEntries(fields), expected, text);
  }
});

test('texts are worded as by WebUI, and what is written is parsed as it was given', () => {
  for (const [{ prompt, negative = '' }, text] of golden.created) {
    const { fields } = parseInfotext(text);
    const pairs = [...fields].flatMap(([key, value]): [string, string][] => {
      if (key === 'Size-2') return [];
      return key === 'Size-1' ? [['Size', `${value}x${fields.get('Size-2')}`]] : [[key, value]];
    });
    assert.equal(writeInfotext({ prompt, negativePrompt: negative, fields: pairs }), text);
  }
});

test('a setting is read back as it was written, whatever is in it', () => {
  const values = [
    'plain',
    'a, b',
    'a: b',
    'a\nb',
    '"quoted"',
    'back\\slash, x',
    '中文，。',
    '  spaces, in front',
    '12',
    '-1.5',
    'a"b, c',
  ];
  for (const value of values) {
    const fields = [
      ['Steps', 20],
      ['Seed', 1],
      ['CFG scale', 7],
      ['Model', value],
      ['Left out', undefined],
    ] as const;
    const text = writeInfotext({ prompt: 'a\nb', negativePrompt: 'c', fields });
    const parsed = parseInfotext(text);
    assert.equal(parsed.fields.get('Model'), value === '"quoted"' ? 'quoted' : value);
    assert.deepEqual([parsed.prompt, parsed.negativePrompt], ['a\nb', 'c']);
    assert.equal(parsed.fields.has('Left out'), false);
  }
});

test('pictures of WebUI say how they were made: PNG, JPEG, WebP', async () => {
  for (const [kind, text, base64] of golden.pictures) {
    const found = await readPictureText(Buffer.from(base64, 'base64'));
    assert.deepEqual(found, { type: 'infotext', text }, kind);
  }
});

const png = async () => Buffer.from(await encodePng(new Uint8Array(4 * 4 * 3), 4, 4));

test('a PNG with texts is the same picture, and a text replaces that of its keyword', async () => {
  const plain = await png();
  const texts = [
    'a cat',
    'café',
    'CafÃ© is good Latin-1, and UTF-8, too',
    '赛博朋克 \u{1f600}\nSteps: 1',
    'with\0nothing',
    '',
  ];
  for (const text of texts) {
    const once = withPngTexts(plain, { parameters: text });
    const twice = withPngTexts(once, { parameters: text, other: 'x' });
    assert.equal(readPngTexts(once).get('parameters'), text);
    assert.deepEqual(
      [...readPngTexts(twice)],
      [
        ['parameters', text],
        ['other', 'x'],
      ],
    );
    assert.deepEqual(Buffer.from(withPngTexts(once, {})), Buffer.from(once));
  }
});

test('a PNG that is cut off or damaged says what can still be found', async () => {
  const whole = withPngTexts(await png(), { parameters: 'a cat' });
  assert.equal(readPngTexts(whole.subarray(0, whole.length - 20)).get('parameters'), 'a cat');
  for (let length = 0; length < whole.length; length += 3) readPngTexts(whole.subarray(0, length));
  for (let at = 0; at < whole.length; at++)
    readPngTexts(whole.map((byte, i) => (i === at ? byte ^ 0xff : byte)));
  assert.deepEqual([...readPngTexts(Buffer.from('no picture'))], []);
});

test('pictures of other programs are named, with what can be told', async () => {
  const graph = {
    3: {
      class_type: 'KSampler',
      inputs: {
        seed: 5,
        steps: 20,
        cfg: 8,
        sampler_name: 'euler',
        scheduler: 'normal',
        denoise: 1,
        model: ['4', 0],
      },
    },
    4: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'v1-5.safetensors' } },
    6: {
      class_type: 'CLIPTextEncode',
      inputs: { text: 'a cat', clip: ['4', 1] },
      is_changed: [NaN],
    },
  };
  const comfy = JSON.stringify(graph).replace('[null]', 'NaN');
  const cases: [Record<string, string>, string, [string, string][]][] = [
    [
      { prompt: comfy, workflow: '{"nodes":[]}' },
      'ComfyUI',
      [
        ['KSampler.seed', '5'],
        ['CheckpointLoaderSimple.ckpt_name', 'v1-5.safetensors'],
        ['CLIPTextEncode.text', 'a cat'],
      ],
    ],
    [
      { workflow: '{"nodes":[{"type":"KSampler"},{"type":"KSampler"}]}' },
      'ComfyUI',
      [['nodes', 'KSampler']],
    ],
    [
      { Software: 'NovelAI', Description: '1girl', Comment: '{"steps":28,"uc":"lowres","seed":3}' },
      'NovelAI',
      [
        ['prompt', '1girl'],
        ['uc', 'lowres'],
        ['steps', '28'],
      ],
    ],
    [
      { parameters: '{"prompt":"a cat","fooocus_scheme":"x","seed":"7"}' },
      'Fooocus',
      [
        ['prompt', 'a cat'],
        ['seed', '7'],
      ],
    ],
    [
      { parameters: '{"sui_image_params":{"prompt":"a cat","seed":7}}' },
      'SwarmUI',
      [
        ['prompt', 'a cat'],
        ['seed', '7'],
      ],
    ],
    [
      { invokeai_metadata: '{"positive_prompt":"a cat","seed":7}' },
      'InvokeAI',
      [['positive_prompt', 'a cat']],
    ],
  ];
  for (const [texts, program, expected] of cases) {
    const found = await readPictureText(withPngTexts(await png(), texts));
    assert.equal(found.type, 'other');
    assert.equal(found.program, program);
    for (const [name, value] of expected)
      assert.ok(
        found.summary.some((each) => each[0] === name && each[1] === value),
        `${program}: ${name}`,
      );
  }
  assert.deepEqual(await readPictureText(await png()), { type: 'nothing' });
  // a prompt in braces is a prompt
  const braces = withPngTexts(await png(), { parameters: '{a cat}, {{neon}}' });
  assert.deepEqual(await readPictureText(braces), { type: 'infotext', text: '{a cat}, {{neon}}' });
});
