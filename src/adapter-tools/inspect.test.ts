import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeKohyaLora } from '../adapter-files/kohya.ts';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, zeros, type Shape, type Tensor } from '../tensor/tensor.ts';
import { hashAdapter, inspectAdapter, type AdapterInspection } from './inspect.ts';

const golden = 'reference/golden/adapter_formats';

test('norms, ranks and scales of an adapter of diffusers equal those of PEFT', () => {
  const expected = JSON.parse(readFileSync(join(golden, 'expected.json'), 'utf8')) as Record<
    string,
    { rank: number; scale: number; norm: number }
  >;
  const { modules, blocks } = inspectAdapter(join(golden, 'peft'));
  for (const { path, rank, scale, norm, dead } of modules) {
    const wanted = expected[path ?? ''];
    assert.deepEqual([rank, scale, dead], [wanted.rank, wanted.scale, undefined]);
    assert.ok(Math.abs((norm ?? NaN) / wanted.norm - 1) < 1e-6, path ?? '');
  }
  assert.deepEqual(
    blocks.map(({ block, modules: count }) => [block, count]),
    [
      ['text_encoder.layers.0', 2],
      ['unet.mid_block', 4],
    ],
  );
});

const filled = (shape: Shape, value: number): Tensor =>
  float32(shape, new Array<number>(sizeOf(shape)).fill(value));

function inspected(
  tensors: Record<string, Tensor>,
  metadata: Record<string, string> = {},
): AdapterInspection {
  return withFolder((folder) => {
    const path = join(folder, 'x.safetensors');
    writeFileSync(path, serialize(new Map(Object.entries(tensors)), metadata));
    return inspectAdapter(path);
  });
}

const cross = 'down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k';
const kohyaOf = (name: string, width = 768): Record<string, Tensor> => ({
  [`lora_unet_${name}.lora_down.weight`]: filled([2, width], 1),
  [`lora_unet_${name}.lora_up.weight`]: filled([320, 2], 1),
  [`lora_unet_${name}.alpha`]: float32([], [2]),
});

test('dead modules and numbers that are not finite are told, and why', () => {
  const name = `lora_unet_${cross}`;
  const whole = kohyaOf(cross);
  const only = (change: Record<string, Tensor>) => inspected({ ...whole, ...change }).modules[0];
  assert.equal(only({}).dead, undefined);
  assert.match(only({ [`${name}.lora_up.weight`]: zeros('float32', [320, 2]) }).dead ?? '', /^B/);
  assert.match(only({ [`${name}.lora_down.weight`]: zeros('float32', [2, 768]) }).dead ?? '', /^A/);
  assert.match(only({ [`${name}.alpha`]: float32([], [0]) }).dead ?? '', /alpha is 0/);
  const broken = only({ [`${name}.lora_up.weight`]: filled([320, 2], NaN) });
  assert.deepEqual([broken.norm, broken.unsound, broken.dead], [null, 640, undefined]);
});

test('the family is told by the width of the text states, or by the metadata', () => {
  for (const [width, family] of [
    [768, 'Stable Diffusion 1.x'],
    [1024, 'Stable Diffusion 2.x'],
    [2048, 'Stable Diffusion XL'],
    [64, 'a UNet that reads text states of width 64'],
  ] as const)
    assert.equal(inspected(kohyaOf(cross, width)).family, family);
  const noCross = 'mid_block_attentions_0_proj_in';
  assert.equal(inspected(kohyaOf(noCross)).family, null);
  const said = { ss_base_model_version: 'sdxl_base_v1-0' };
  assert.equal(inspected(kohyaOf(noCross), said).family, 'Stable Diffusion XL');
  assert.equal(inspected(kohyaOf('double_blocks_0_img_attn_proj')).family, 'Flux');
});

const verdictsOf = ({ programs }: AdapterInspection): Record<string, string> =>
  Object.fromEntries(programs.map(({ program, loads }) => [program, loads]));

test("kohya's keys for Stable Diffusion 1.x are for all programs but PEFT", () => {
  const { PEFT: peft, ...others } = verdictsOf(inspected(kohyaOf(cross)));
  assert.equal(peft, 'no');
  assert.deepEqual(new Set(Object.values(others)), new Set(['yes']));
});

test('each program is told with its reason and the command that helps', () => {
  const at = `unet.${cross.replaceAll(/_(\d+)_/g, '.$1.').replace('attn2_', 'attn2.')}`;
  const diffusers = {
    [`${at}.lora_A.weight`]: filled([2, 768], 1),
    [`${at}.lora_B.weight`]: filled([320, 2], 1),
  };
  const of = (report: AdapterInspection, name: string) =>
    report.programs.find(({ program }) => program.includes(name));
  const plain = inspected(diffusers);
  assert.equal(of(plain, 'diffusers')?.loads, 'yes');
  assert.match(of(plain, 'WebUI')?.reason ?? '', /lora_unet_down_blocks_0/);
  assert.equal(of(plain, 'WebUI')?.fix, 'lora convert --to kohya');
  const config = { 'unet.r': 2, 'unet.lora_alpha': 1 };
  const scaled = inspected(diffusers, { lora_adapter_metadata: JSON.stringify(config) });
  assert.match(of(scaled, 'ComfyUI')?.reason ?? '', /at scale 1/);
  const besides = inspected({ ...kohyaOf(cross), emb_params: filled([1], 0) });
  assert.match(of(besides, 'diffusers')?.reason ?? '', /emb_params/);
  const ldm = inspected(kohyaOf('input_blocks_1_1_transformer_blocks_0_attn2_to_k'));
  assert.match(of(ldm, 'kohya')?.reason ?? '', /lora_unet_down_blocks/);
  assert.match(of(ldm, 'additional')?.reason ?? '', /does not know/);
  assert.match(of(inspected(kohyaOf(cross, 64)), 'WebUI')?.reason ?? '', /width 64/);
  assert.match(of(inspected(kohyaOf(cross, 2048)), 'this program')?.reason ?? '', /Diffusion XL/);
  assert.match(
    of(inspected(kohyaOf(cross, 2048), { format: 'pt' }), 'WebUI')?.reason ?? '',
    /listed among/,
  );
});

const dotted = (layer: string, width = 320): Record<string, Tensor> => ({
  [`unet.${layer}.lora_A.weight`]: filled([2, width], 1),
  [`unet.${layer}.lora_B.weight`]: filled([320, 2], 1),
});

test("ComfyUI and Forge leave out attentions under diffusers' names, and that was called not tried", () => {
  const block = 'down_blocks.0.attentions.0.transformer_blocks.0';
  const of = (tensors: Record<string, Tensor>, name: string) =>
    inspected(tensors).programs.find(({ program }) => program === name);
  const key = dotted(`${block}.attn2.to_k`, 768);
  const feed = dotted(`${block}.ff.net.2`);
  for (const name of ['ComfyUI', 'Forge']) {
    assert.equal(of(key, name)?.loads, 'no');
    assert.equal(of(key, name)?.fix, 'lora convert --to kohya');
    const some = of({ ...key, ...feed }, name);
    assert.equal(some?.loads, 'in part');
    assert.match(some?.reason ?? '', /attn2\.to_k: it leaves out 1 of its 2 modules/);
  }
  const beside = dotted(`${block}.attn2.processor.to_k`, 768);
  assert.equal(of({ ...beside, ...feed }, 'ComfyUI')?.loads, 'yes');
  assert.equal(of({ ...beside, ...feed }, 'Forge')?.loads, 'yes');
  const layers = ['attn1.to_q', 'attn1.to_k', 'attn1.to_v', 'attn1.to_out.0', 'attn2.to_q'];
  const most = [
    ...layers.map((layer) => dotted(`${block}.${layer}`)),
    dotted(`${block}.attn2.to_out.0`),
  ];
  const many = { ...key, ...feed, ...Object.assign({}, ...most) };
  assert.equal(of(many, 'ComfyUI')?.loads, 'in part');
  assert.match(of(many, 'Forge')?.reason ?? '', /refuses a file with more than 12 tensors/);
});

test("a language model's adapter: PEFT and vLLM load it, llama.cpp after an export", () => {
  const report = inspectAdapter('reference/golden/peft_adapter');
  assert.equal(report.of, 'language');
  assert.equal(verdictsOf(report).PEFT, 'yes');
  assert.equal(verdictsOf(report).transformers, 'yes');
  assert.equal(
    report.programs.find(({ program }) => program.includes('llama'))?.fix,
    'lora export --to gguf',
  );
  assert.ok(report.blocks.some(({ block }) => block === 'model.layers.0'));
});

interface Hashes {
  readonly cases: readonly {
    readonly width: number;
    readonly sshs_model_hash: string;
    readonly sshs_legacy_hash: string;
  }[];
}

test("hashes computed from the file equal those of Python's writer, whatever the metadata say", () => {
  const { cases } = JSON.parse(readFileSync('reference/golden/lora_hashes.json', 'utf8')) as Hashes;
  for (const { width, sshs_model_hash, sshs_legacy_hash } of cases)
    withFolder((folder) => {
      const values = Float32Array.from({ length: 4 * width }, (_, i) => (i % 64) / 64);
      const up = Float32Array.from(
        { length: 4 * width },
        (_, i) => values[(i % 4) * width + Math.floor(i / 4)],
      );
      const module = {
        path: 'unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2',
        down: float32([4, width], values),
        up: float32([width, 4], up),
        alpha: 2,
      };
      const path = join(folder, 'a.safetensors');
      const title = { ss_network_module: 'networks.lora', 'modelspec.title': 'x'.repeat(5000) };
      writeFileSync(path, writeKohyaLora({ modules: [module], metadata: title, dtype: 'float16' }));
      const [hashes] = hashAdapter(path);
      assert.equal(hashes.sshsModelHash, sshs_model_hash);
      assert.equal(hashes.sshsLegacyHash, sshs_legacy_hash);
      assert.equal(hashes.autoV3, sshs_model_hash.slice(0, 12));
      assert.equal(hashes.autoV2, hashes.sha256.slice(0, 10));
      assert.deepEqual(hashes.stated, {
        sshsModelHash: sshs_model_hash,
        sshsLegacyHash: sshs_legacy_hash,
      });
    });
});
