import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMeter, type PowerSystem } from './power.ts';

/** A machine of these files, which a test may change. */
function machine(files: Record<string, string>, threads = 8): PowerSystem {
  return {
    threads,
    read: (path) => files[path],
    list: (folder) => [
      ...new Set(
        Object.keys(files)
          .filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1).split('/')[0]),
      ),
    ],
  };
}

const rapl = (zone: string, name: string, energy: string) => ({
  [`/sys/class/powercap/${zone}/name`]: `${name}\n`,
  [`/sys/class/powercap/${zone}/energy_uj`]: energy,
  [`/sys/class/powercap/${zone}/max_energy_range_uj`]: '100000000\n',
});
const bat = (name: string, text: string) => ({ [`/sys/class/power_supply/BAT0/${name}`]: text });

test('what was configured counts before everything else', () => {
  const meter = openMeter({ watts: 120 }, machine(rapl('intel-rapl:0', 'package-0', '0')));
  assert.deepEqual(meter.source, { how: 'given', of: '120 W, as configured' });
  assert.equal(meter.read(10), 1200);
});

test('counters of all packages and of the memory are added; parts and copies of them are not', () => {
  const files = {
    ...rapl('intel-rapl:0', 'package-0', '1000000'),
    ...rapl('intel-rapl:0:0', 'core', '0'),
    ...rapl('intel-rapl:0:1', 'dram', '0'),
    ...rapl('intel-rapl:1', 'package-1', '0'),
    ...rapl('intel-rapl-mmio:0', 'package-0', '0'),
  };
  const meter = openMeter({}, machine(files));
  for (const zone of ['0', '0:0', '0:1', '1', '-mmio:0'])
    files[`/sys/class/powercap/intel-rapl${zone.startsWith('-') ? zone : `:${zone}`}/energy_uj`] =
      '31000000';
  assert.equal(meter.read(1), 30 + 31 + 31);
  assert.equal(meter.source.how, 'measured');
  assert.match(meter.source.of, /^the processor and the memory, .* without the rest/);
});

test('a counter that begins anew when it is full loses nothing', () => {
  const files = rapl('intel-rapl:0', 'package-0', '99000000');
  const meter = openMeter({}, machine(files));
  files['/sys/class/powercap/intel-rapl:0/energy_uj'] = '4000000';
  assert.equal(meter.read(1), 5);
  assert.equal(meter.read(2), 5);
});

test('the counter of the whole platform stands for its parts', () => {
  const files = {
    ...rapl('intel-rapl:0', 'package-0', '0'),
    ...rapl('intel-rapl:1', 'psys', '0'),
  };
  const meter = openMeter({}, machine(files));
  files['/sys/class/powercap/intel-rapl:0/energy_uj'] = '9000000';
  files['/sys/class/powercap/intel-rapl:1/energy_uj'] = '20000000';
  assert.equal(meter.read(1), 20);
});

test('counters that only root may read: a guess, and how to open them', () => {
  const closed: Record<string, string>[] = [
    { '/sys/class/powercap/intel-rapl:0/name': 'package-0' },
    {
      '/sys/class/powercap/intel-rapl:0/name': 'package-0',
      '/sys/class/powercap/intel-rapl:0:0/name': 'dram',
      '/sys/class/powercap/intel-rapl:1/name': 'psys',
    },
  ];
  for (const files of closed) {
    const meter = openMeter({}, machine(files));
    assert.equal(meter.source.how, 'guessed');
    assert.match(meter.source.of, /^73 W, a guess for a machine of 8 threads$/);
    assert.match(
      meter.source.hint ?? '',
      /only root.*sudo chmod a\+r \/sys\/class\/powercap\/intel-rapl:\*\/energy_uj.*power_watts/,
    );
    assert.equal(meter.read(2), 146);
  }
  assert.equal(openMeter({}, machine({})).source.hint, undefined, 'there is nothing to open');
  assert.equal(openMeter({ watts: 90 }, machine(closed[0])).source.hint, undefined);
});

test('a laptop on its battery: what that gives, by power or by current and voltage', () => {
  const type = bat('type', 'Battery\n');
  const on = { ...type, ...bat('status', 'Discharging\n') };
  const byPower = openMeter({}, machine({ ...on, ...bat('power_now', '30000000') }));
  assert.equal(byPower.read(2), 60);
  const current = { ...bat('current_now', '-2000000'), ...bat('voltage_now', '11000000') };
  assert.equal(openMeter({}, machine({ ...on, ...current })).read(2), 44);
  const plugged = machine({ ...type, ...bat('status', 'Charging'), ...bat('power_now', '9') });
  assert.match(openMeter({}, plugged).source.of, /^40 W, a guess for a laptop$/);
});

test('power that changes is added up between the looks; a mouse is no machine', () => {
  const files: Record<string, string> = {
    ...bat('type', 'Battery'),
    ...bat('status', 'Discharging'),
    ...bat('power_now', '10000000'),
    '/sys/class/power_supply/hid/type': 'Battery',
    '/sys/class/power_supply/hid/scope': 'Device',
    '/sys/class/power_supply/hid/status': 'Discharging',
    '/sys/class/power_supply/hid/power_now': '1000000',
  };
  const meter = openMeter({}, machine(files));
  files['/sys/class/power_supply/BAT0/power_now'] = '30000000';
  assert.equal(meter.read(10), 200);
  files['/sys/class/power_supply/BAT0/status'] = 'Full';
  assert.equal(meter.read(11), 230, 'silent: the last value holds');
});

test('a server with a power meter, and a card with a sensor beside the processor', () => {
  const hwmon = (n: number, name: string, power: string) => ({
    [`/sys/class/hwmon/hwmon${n}/name`]: `${name}\n`,
    [`/sys/class/hwmon/hwmon${n}/power1_average`]: power,
  });
  const server = openMeter({}, machine(hwmon(0, 'power_meter', '250000000')));
  assert.equal(server.read(4), 1000);
  const card = { ...hwmon(1, 'amdgpu', '150000000'), ...rapl('intel-rapl:0', 'package-0', '0') };
  const meter = openMeter({ onCard: true }, machine(card));
  assert.equal(meter.read(2), 300);
  assert.match(meter.source.of, /the processor and the graphics card/);
});

test('a card that computes and tells nothing is guessed with the whole machine', () => {
  const meter = openMeter({ onCard: true }, machine(rapl('intel-rapl:0', 'package-0', '0'), 4));
  assert.equal(meter.source.of, '249 W, a guess for a machine of 4 threads with a graphics card');
});

test('a system that tells nothing at all, as Windows and macOS', () => {
  assert.equal(openMeter({}, machine({}, 2)).read(100), 3700);
});
