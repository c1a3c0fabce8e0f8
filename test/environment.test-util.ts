// Run by environment.test.ts in several environments: prints what a run of pictures and a run of
// texts train on, and the adapter that two steps make.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../src/config/load.ts';
import { readImageFolder } from '../src/dataset/folder.ts';
import { train } from '../src/train/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'environment-'));

/** Names whose order and case differ between languages. */
const names = ['ä', 'a', 'Z', 'I.x', 'i', 'ı', '10', '9', '猫', '狗', 'o', 'ö'];

async function pictures(): Promise<unknown> {
  for (const name of names) {
    copyFileSync('data/brand_style/car_red_02.png', join(folder, `${name}.PNG`));
    writeFileSync(join(folder, `${name}.txt`), `IN THE ${name} İIıi`);
  }
  const { samples } = await readImageFolder({ trainDataDir: folder });
  return samples.map(({ name, caption, hash }) => [name, caption, hash]);
}

const template =
  "{{ strftime_now('%A %d %B %Y %x %X %p %Z') }}{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content | title + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

async function texts(): Promise<unknown> {
  const data = join(folder, 'data.jsonl');
  const line = (n: number) =>
    JSON.stringify({ prompt: `question ${n} İ`, completion: `Answer ${n} I` });
  writeFileSync(data, [9, 10, 1, 2].map(line).join('\n'));
  const job = parseConfig({
    task_type: 'text-generation',
    train_data: [{ path: data }],
    train_data_dir: data,
    base_model: 'models/tiny-llm',
    output_dir: join(folder, 'run'),
    chat_template: template,
    template_date: '2026-05-03T16:05:06',
    max_train_steps: 2,
    batch_size: 2,
    num_threads: 1,
  });
  const { signal } = new AbortController();
  for await (const event of train(job, { signal })) if (event.type === 'done') break;
  const adapter = readFileSync(join(folder, 'run', 'adapter_model.safetensors'));
  return createHash('sha256').update(adapter).digest('hex');
}

try {
  process.stdout.write(JSON.stringify([await pictures(), await texts()]));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
