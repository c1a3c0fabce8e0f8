import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../errors.ts';
import type { MissingAdapter } from '../runtime/adapters.ts';
import { secondsOf } from './estimate.ts';
import { examine } from './examine.ts';
import { memoryLimit } from '../runtime/memory.ts';
import { appleFeatures, linuxFeatures, windowsFeatures } from './machine.ts';
import { fast, radeon, reportOn, slow, workstation } from './report.test-util.ts';
import { steps } from './steps.ts';

const noLoader: MissingAdapter = {
  why: 'no-loader',
  found: "Vulkan's loader cannot be opened",
  fixes: ["Install Vulkan's loader: sudo apt install libvulkan1"],
};

describe('the report', () => {
  test('a graphics card: taken, measured, estimated', async () => {
    const report = await reportOn({ graphics: { adapters: [radeon] } });
    assert.equal(report.auto.device, 'webgpu');
    assert.match(report.auto.reason, /Radeon/);
    assert.deepEqual(
      report.measured.map(({ device, skipped, estimates }) => [device, skipped, estimates.length]),
      [
        ['cpu', null, 3],
        ['webgpu', null, 3],
      ],
    );
    assert.deepEqual(report.measured[1].rates, fast);
    assert.deepEqual(report.advice, []);
  });

  test('every key is there, with null where nothing is known: no other value is lost in JSON', async () => {
    const report = await reportOn({ graphics: { adapters: [radeon] } });
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
    assert.equal(report.graphics.adapters[0].freeMemory, null);
    assert.equal(report.graphics.missing, null);
    assert.equal(report.measured[0].rates?.toDevice, null);
  });

  test('no loader: the processor, with the reason and what to install', async () => {
    const report = await reportOn({ graphics: { adapters: [], missing: noLoader } });
    assert.equal(report.auto.device, 'cpu');
    assert.ok(report.auto.reason.includes(noLoader.found));
    assert.equal(report.measured[1].skipped, noLoader.found);
    assert.deepEqual(report.advice, noLoader.fixes);
  });

  test('an adapter in software: measured, but auto takes the processor', async () => {
    const missing: MissingAdapter = { ...noLoader, why: 'software-only', found: 'only software' };
    const adapters = [{ ...radeon, type: 'software' as const }];
    const report = await reportOn({ graphics: { adapters, missing } });
    assert.equal(report.auto.device, 'cpu');
    assert.match(report.auto.reason, /only software/);
    assert.equal(report.measured[1].skipped, null);
  });

  test('a card that cannot be opened is told in a line, and the report is there', async () => {
    const what = 'the device was lost';
    for (const error of [new UserError([{ where: 'device', what }]), new Error(`${what}\nat x`)]) {
      const open = () => Promise.reject(error);
      const report = await reportOn({ graphics: { adapters: [radeon] }, open });
      assert.equal(report.measured[1].skipped, what);
      assert.ok(!('closed' in report.measured[1]), 'no key that docs/devices.md lacks');
    }
  });

  test('the doctor said that auto takes a card that cannot be opened: a run takes the processor', async () => {
    const what = 'the graphics card cannot be opened: no device';
    const open = (device: string) =>
      device === 'webgpu'
        ? Promise.reject(new UserError([{ where: radeon.name, what }]))
        : Promise.reject(new Error('the processor computes without being opened'));
    const { auto } = await reportOn({ graphics: { adapters: [radeon] }, open });
    assert.deepEqual(auto, { device: 'cpu', reason: `${radeon.name}: ${what}` });
    const untried = await reportOn({ graphics: { adapters: [radeon] }, open, measurements: false });
    assert.equal(untried.auto.device, 'webgpu');
  });

  test('without measurements nothing is opened', async () => {
    const open = () => Promise.reject(new Error('it was opened'));
    const graphics = { adapters: [radeon] };
    const report = await reportOn({ graphics, open, measurements: false });
    assert.deepEqual(
      report.measured.map(({ skipped }) => skipped),
      ['not asked for', 'not asked for'],
    );
  });

  test('a full disk and an old processor are told', async () => {
    const [cache, folder] = workstation.disks;
    const machine = {
      ...workstation,
      disks: [
        { ...cache, free: 2 ** 30 },
        { ...folder, free: null },
      ],
      processor: {
        ...workstation.processor,
        features: { ...workstation.processor.features, avx2: false },
      },
    };
    const { advice } = await reportOn({ machine, graphics: { adapters: [radeon] } });
    assert.equal(advice.length, 2);
    assert.match(advice[0], /lora-scripts: less than 5 GiB/);
    assert.match(advice[1], /AVX2/);
  });

  test('this machine', async () => {
    for await (const event of examine({ measurements: false })) {
      assert.equal(event.type, 'report');
      if (event.type !== 'report') return;
      const { memory, processor, disks, software } = event.report;
      assert.ok(memory.total > 2 ** 28 && memory.free <= memory.total);
      assert.ok(processor.threads >= 1 && processor.name !== '');
      assert.equal(disks.length, 2);
      assert.match(software.onnxRuntime, /^\d+\.\d+/);
    }
  });
});

test('a step takes the time of each of its parts', () => {
  const { products, convolutions, rest, trained } = steps['image-1'];
  const alone = { products: Infinity, convolutions: Infinity, memory: Infinity };
  assert.equal(secondsOf(steps['image-1'], { ...alone, products }), 1);
  assert.equal(secondsOf(steps['image-1'], { ...alone, convolutions: convolutions / 2 }), 2);
  assert.equal(secondsOf(steps['image-1'], { ...alone, memory: rest / 3 }), 3);
  assert.equal(secondsOf(steps['image-1'], { ...alone, toDevice: 4 * trained }), 1);
  assert.equal(secondsOf(steps['image-1'], { ...alone, fromDevice: trained }), 4);
  assert.ok(secondsOf(steps['image-4'], slow) > 3 * secondsOf(steps['image-1'], slow));
});

describe("the processor's features", () => {
  test("from x86's flags", () => {
    const xeon = linuxFeatures(
      'processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_tile amx_bf16\nbugs\t\t: avx\n',
    );
    assert.deepEqual(xeon, { avx2: true, avx512: true, vnni: true, amx: true, bf16: true });
    const old = linuxFeatures('flags : fpu sse2 avx\n');
    assert.deepEqual(old, { avx2: false, avx512: false, vnni: false, amx: false, bf16: false });
    assert.equal(linuxFeatures('flags : avx2 avx_vnni\n').vnni, true);
  });

  test("from Arm's", () => {
    assert.equal(linuxFeatures('Features\t: fp asimd bf16 i8mm\n').bf16, true);
  });

  test('a system that does not tell', () => {
    assert.equal(linuxFeatures('').avx2, null);
    assert.equal(appleFeatures(() => null).bf16, null);
  });

  test('Windows tells of some', () => {
    const windows = windowsFeatures((feature) => feature === 40);
    assert.deepEqual(windows, { avx2: true, avx512: false, vnni: null, amx: null, bf16: null });
  });

  test('Apple silicon', () => {
    const apple = appleFeatures((name) => (name.startsWith('hw.optional.arm') ? true : null));
    assert.deepEqual(apple, { avx2: false, avx512: false, vnni: false, amx: false, bf16: true });
  });
});

test("a container's limit counts, what is no limit does not", () => {
  assert.equal(memoryLimit(2 ** 31, 2 ** 34), 2 ** 31);
  assert.equal(memoryLimit(0, 2 ** 34), undefined);
  assert.equal(memoryLimit(2 ** 63, 2 ** 34), undefined);
});
