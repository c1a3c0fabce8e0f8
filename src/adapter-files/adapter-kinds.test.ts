// A file of another kind given as an adapter is called what it is, once, wherever it is given.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder, write } from '../checkpoints/small-model.test-util.ts';
import { UserError } from '../errors.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32 } from '../tensor/tensor.ts';
import { readAdapterFolder } from './adapter-folder.ts';
import { readKohyaLora } from './kohya.ts';
import { exportSource } from '../export/source.ts';

const file = (names: readonly string[], metadata: Readonly<Record<string, string>> = {}) =>
  serialize(new Map(names.map((name) => [name, float32([2, 2], [1, 2, 3, 4])])), metadata);

const layers = (name: (i: number) => string, ...parts: string[]): string[] =>
  Array.from({ length: 60 }, (_, i) => parts.map((part) => `${name(i)}${part}`)).flat();

const peft = (i: number) => `base_model.model.model.layers.${i}.mlp.up_proj.`;
const kohya = (i: number) => `lora_unet_down_blocks_${i}_proj.`;

function problemsOf(use: () => unknown): UserError['problems'] {
  try {
    use();
  } catch (error) {
    if (error instanceof UserError) return error.problems;
    throw error;
  }
  return assert.fail('accepted');
}

for (const [what, names] of [
  ['a DoRA', layers(peft, 'lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector')],
  ['a DoRA', layers(kohya, 'lora_down.weight', 'lora_up.weight', 'alpha', 'dora_scale')],
  ['a LoHa', layers(kohya, 'hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b', 'alpha')],
  ['a LoHa', layers(peft, 'hada_w1_a', 'hada_w1_b')],
  ['a LoKr', layers(kohya, 'lokr_w1', 'lokr_w2_a', 'lokr_w2_b', 'alpha')],
  ['an OFT', layers(kohya, 'oft_blocks', 'alpha')],
  ['an OFT', layers(peft, 'oft_R.weight')],
  ['a LoCon with a Tucker core', layers(kohya, 'lora_down.weight', 'lora_mid.weight')],
  ['a full-weight difference', layers(kohya, 'diff', 'diff_b')],
  ['an AdaLoRA', layers(peft, 'lora_A', 'lora_B', 'lora_E')],
  ['an (IA)³', layers(peft, 'ia3_l')],
  ['a VeRA', layers(peft, 'vera_lambda_b', 'vera_lambda_d')],
  ['a LoRA with a bias in B', layers(peft, 'lora_A.weight', 'lora_B.weight', 'lora_B.bias')],
  ['a prompt tuning (trained tokens before the prompt)', ['prompt_embeddings']],
  ['an embedding (textual inversion)', ['emb_params']],
  ['an embedding (textual inversion)', ['<my-cat>']],
  ['a ControlNet', layers((i) => `control_model.input_blocks.${i}.`, 'weight')],
  ['a whole language model', layers((i) => `model.layers.${i}.mlp.up_proj.`, 'weight')],
  ['a whole model for pictures', layers((i) => `model.diffusion_model.out.${i}.`, 'weight')],
  ['an autoencoder', layers((i) => `decoder.up_blocks.${i}.`, 'weight')],
] as const)
  test(`${names[0]}: ${what}, said once`, () => {
    withFolder((folder) => {
      const [alone, beside] = [join(folder, 'alone.safetensors'), join(folder, 'beside')];
      write(alone, file(names));
      write(join(beside, 'adapter_model.safetensors'), file(names));
      write(join(beside, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', r: 2 }));
      for (const use of [
        () => readAdapterFolder(beside),
        () => readKohyaLora(alone, []),
        ...(names.some((name) => /lora_(A|B|down)/.test(name)) ? [] : [() => exportSource(alone)]),
      ]) {
        const problems = problemsOf(use);
        assert.equal(problems.length, 1);
        assert.ok(problems[0].what.startsWith(`this is ${what}`), problems[0].what);
        assert.ok(problems[0].fix !== undefined);
      }
    });
  });

test('sixty layers that a model does not have are one problem with a count', () => {
  withFolder((folder) => {
    const path = join(folder, 'a.safetensors');
    write(path, file(layers(kohya, 'lora_down.weight', 'lora_up.weight')));
    const problems = problemsOf(() => readKohyaLora(path, []));
    assert.equal(problems.length, 1);
    assert.match(problems[0].where, / and 57 more \(60 in all\)$/);
  });
});

test('a LoRA for pictures whose metadata names a start that changed its base is refused', () => {
  withFolder((folder) => {
    const path = join(folder, 'a.safetensors');
    const names = layers(kohya, 'lora_down.weight', 'lora_up.weight');
    const both: Readonly<Record<string, string>>[] = [
      { ss_network_args: '{"init": "pissa_niter_8"}' },
      { lora_adapter_metadata: '{"unet.init_lora_weights": "olora"}' },
    ];
    for (const metadata of both) {
      write(path, file(names, metadata));
      assert.match(
        problemsOf(() => readKohyaLora(path, []))[0].what,
        /base that its initialisation had changed \((pissa_niter_8|olora), according to its metadata\)/,
      );
    }
  });
});

test("what VeLoRA keeps for its gradients has no effect on PEFT's result", () => {
  withFolder((folder) => {
    const names = layers(peft, 'lora_A.weight', 'lora_B.weight', 'lora_velora_embed');
    write(join(folder, 'adapter_model.safetensors'), file(names));
    const config = { peft_type: 'LORA', r: 2, velora_config: { num_groups: 8 } };
    write(join(folder, 'adapter_config.json'), JSON.stringify(config));
    assert.equal(readAdapterFolder(folder).modules.length, 60);
  });
});
