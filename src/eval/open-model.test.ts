// The date that an adapter notes for its chat template.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { writeTinyModel } from '../export/language-model.test-util.ts';
import { openModel } from './open-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'open-model-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const messages = '{% for m in messages %}{{ m.role }}:{{ m.content }}</s>{% endfor %}';
const today = "{{ strftime_now('%Y-%m-%d') }}";
const [down, up] = [
  [4, 64],
  [64, 4],
].map((shape) => ({ dtype: 'float32' as const, shape, data: new Float32Array(256) }));

/** What is opened where the adapter notes `templateDate` and the base has this template. */
function opened(templateDate: string | undefined, template: string) {
  const [base, adapter] = [join(folder, 'base'), join(folder, 'adapter')];
  writeTinyModel(base, 'llama');
  writeFileSync(join(base, 'tokenizer_config.json'), JSON.stringify({ chat_template: template }));
  writePeftFolder(adapter, {
    modules: [{ path: 'model.layers.0.self_attn.q_proj', down, up, alpha: 1 }],
    rslora: false,
    dtype: 'float32',
    baseModel: base,
    ...(templateDate !== undefined && { templateDate }),
  });
  return openModel({ adapter, threads: 1 });
}

test('a noted date that is none was left out without a word', () => {
  for (const noted of ['yesterday', '', '2026-02-30', '31.01.2026', '2026-01-31T12:00:00+01:00']) {
    const { warnings } = opened(noted, today + messages);
    assert.equal(warnings.length, 1, noted);
    assert.match(warnings[0].where, /adapter_model\.safetensors template_date$/);
    assert.ok(warnings[0].what.startsWith(`has ${JSON.stringify(noted)} as the date`));
  }
  assert.deepEqual(opened('yesterday', messages).warnings, [], 'the template writes no date');
  assert.deepEqual(opened(undefined, today + messages).warnings, []);
  const { promptFormat, warnings } = opened('2026-01-31', today + messages);
  assert.equal(promptFormat.template?.date, '2026-01-31');
  assert.deepEqual(warnings, []);
});
