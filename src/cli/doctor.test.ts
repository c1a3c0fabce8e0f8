import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { radeon, reportOn, workstation } from '../doctor/report.test-util.ts';
import { displayWidth } from './format.ts';
import { doctorLines } from './doctor-lines.ts';
import { doctorCommand } from './doctor.ts';
import { runCommand } from './run.test-util.ts';

const missing = {
  why: 'no-driver' as const,
  found: "Vulkan's loader is there, but no driver offers it a device",
  fixes: ["Install Mesa's Vulkan drivers: sudo apt install mesa-vulkan-drivers"],
};

describe('the report in a terminal', () => {
  test('a workstation with a card', async () => {
    const lines = doctorLines(await reportOn({ graphics: { adapters: [radeon] } }), 100);
    const text = lines.join('\n');
    for (const part of [
      'Ubuntu 24.04.1 LTS, linux-x64',
      'AMD Ryzen 9 7950X, 32 threads; AVX2, AVX-512, VNNI, bf16; no AMX',
      '1           AMD Radeon RX 7800 XT (AMD), a card of its own, through Vulkan;',
      '16.0 GiB of memory; tensors up to 2.0 GiB; half precision',
      'products 300 GFLOP/s; 3×3 convolutions 200 GFLOP/s; memory 20 GB/s',
      'products 10 TFLOP/s; 3×3 convolutions 8.0 TFLOP/s; memory 400 GB/s',
      'Nothing is to be installed.',
    ])
      assert.ok(text.replace(/\s*\n\s+/g, ' ').includes(part), `${part}\n${text}`);
    assert.ok(lines.every((line) => displayWidth(line) < 100));
  });

  test('a machine without a driver: why, and what to install', async () => {
    const report = await reportOn({ graphics: { adapters: [], missing } });
    const text = doctorLines(report).join('\n');
    assert.match(text, /none\s+Vulkan's loader is there, but no driver offers it a device/);
    assert.match(text, /graphics\s+not measured: Vulkan's loader/);
    assert.match(text, /For more\n {2}→ Install Mesa's Vulkan drivers/);
  });

  test('rates of an adapter in software are not those of a graphics card', async () => {
    const adapters = [{ ...radeon, type: 'software' as const }];
    const text = doctorLines(await reportOn({ graphics: { adapters, missing } })).join('\n');
    assert.match(text, /software\s+products 10 TFLOP\/s/);
    assert.doesNotMatch(text, /graphics\s+products/);
  });

  test('a busy machine is told, since its rates are too low', async () => {
    const processor = { ...workstation.processor, load: 90 };
    const report = await reportOn({
      machine: { ...workstation, processor },
      graphics: { adapters: [radeon] },
    });
    assert.match(doctorLines(report).join('\n'), /busy \(load 90\.0, 32 threads\)/);
  });

  test('a name that acts on the terminal is shown without its power', async () => {
    const adapters = [{ ...radeon, name: 'x\u001b[2J' }];
    assert.ok(
      !doctorLines(await reportOn({ graphics: { adapters } }))
        .join('')
        .includes('\u001b[2J'),
    );
  });
});

describe('the command', () => {
  const lora = (...words: readonly string[]) => runCommand([doctorCommand], ['doctor', ...words]);

  test('--json prints the report and nothing else', async () => {
    const { code, text } = await lora('--json', '--no-measurements');
    assert.equal(code, 0, text);
    assert.deepEqual(Object.keys(JSON.parse(text) as object), [
      'system',
      'processor',
      'memory',
      'disks',
      'software',
      'graphics',
      'auto',
      'measured',
      'advice',
    ]);
  });

  test('measures, and prints no line of progress where there is no terminal', async () => {
    const { code, text } = await lora();
    assert.equal(code, 0, text);
    assert.match(text, /processor\s+products [\d.]+ [GT]FLOP\/s/);
    assert.doesNotMatch(text, /measuring/);
  });
});
