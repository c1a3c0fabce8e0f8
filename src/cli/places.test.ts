import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { evalCommand } from './eval.ts';
import { placedIn } from './places.ts';

const { source } = parseConfig({
  task_type: 'text-generation',
  base_model: 'models/tiny-llm',
  train_data_dir: 'data/customer_service/train.jsonl',
  output_dir: 'o',
  device: 'cpu',
});
const inFile = { ...source, path: 'lamp.yaml', lines: new Map([['device', 7]]) };

for (const [where, given, file, expected] of [
  ['device', { device: 'webgpu' }, inFile, '--device'],
  ['device', { config: 'lamp.yaml' }, inFile, 'lamp.yaml:7 device'],
  ['device', {}, undefined, 'device'],
  ['chat_template', { chat_template: 'chatml' }, undefined, '--chat-template'],
  ['max_seq_length', { max_seq_length: '9' }, undefined, '--max-seq-length'],
  ['adapter', { adapter: 'out' }, inFile, 'adapter'],
  ['eval.jsonl:3', { device: 'cpu' }, inFile, 'eval.jsonl:3'],
] as const)
  test(`lora eval named a key where training names its place: ${where} is ${expected}`, () => {
    const placed = placedIn(evalCommand, given, file);
    assert.deepEqual(placed({ where, what: 'is wrong' }), { where: expected, what: 'is wrong' });
  });
