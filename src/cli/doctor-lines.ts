// The report of `lora doctor` in a terminal.
import type {
  AdapterReport,
  DoctorReport,
  Estimate,
  Measured,
  ProcessorFeature,
} from '../index.ts';
import { colours } from './colours.ts';
import { wrapped } from './eval-lines.ts';
import { bytes, duration } from './format.ts';

const { bold, dim, green, yellow } = colours;

/** Lines that fit into the columns where their words allow it. */
export function doctorLines(report: DoctorReport, columns = 80): string[] {
  const width = Math.max(40, Math.min(columns, 120) - 1);
  return [
    ...rows(width, machineRows(report)),
    '',
    ...section('Graphics cards', width, graphicsRows(report)),
    ...section('What device: auto takes', width, [
      [deviceName(report.auto.device, report), report.auto.reason],
    ]),
    ...section('Measured here and now', width, [
      ...report.measured.map((one) => rateRow(one, report)),
      ...busyRows(report),
    ]),
    ...estimateLines(report, width),
    ...adviceLines(report.advice, width),
  ].slice(0, -1);
}

type Row = readonly [label: string, text: string];

const LABEL = 11;

/** A dim label, and its text wrapped beside it. */
function rows(width: number, all: readonly Row[]): string[] {
  return all.flatMap(([label, text]) =>
    wrapped(text, width - LABEL - 3).map(
      (line, i) => `  ${dim((i === 0 ? label : '').padEnd(LABEL))} ${line}`,
    ),
  );
}

const section = (title: string, width: number, all: readonly Row[]): string[] =>
  all.length === 0 ? [] : [bold(title), ...rows(width, all), ''];

const featureNames: { readonly [F in ProcessorFeature]: string } = {
  avx2: 'AVX2',
  avx512: 'AVX-512',
  vnni: 'VNNI',
  amx: 'AMX',
  bf16: 'bf16',
};

function machineRows({ system, processor, memory, disks, software }: DoctorReport): Row[] {
  const inside = [...(system.isWsl ? ['WSL'] : []), ...(system.isContainer ? ['container'] : [])];
  const limit = memory.limit === null ? '' : `; this process may have ${bytes(memory.limit)}`;
  return [
    ['system', [system.name, system.platform, ...inside].join(', ')],
    [
      'processor',
      `${processor.name}, ${processor.threads} threads; ${featuresText(processor.features)}`,
    ],
    ['memory', `${bytes(memory.total)}, of which ${bytes(memory.free)} are free${limit}`],
    ...disks.map(({ purpose, path, free }): Row => [
      purpose === 'cache' ? 'cache' : 'folder',
      `${free === null ? 'unknown space' : `${bytes(free)} free`} in ${path}`,
    ]),
    [
      'software',
      `lora-scripts ${software.loraScripts}, Node ${software.node}, ONNX Runtime ${software.onnxRuntime}`,
    ],
  ];
}

/** `AVX2, AVX-512; no AMX; bf16 unknown`. */
function featuresText(features: DoctorReport['processor']['features']): string {
  // the keys of `featureNames` are the features
  const names = Object.keys(featureNames) as ProcessorFeature[];
  const list = (value: boolean | null): string =>
    names
      .filter((name) => features[name] === value)
      .map((name) => featureNames[name])
      .join(', ');
  const [has, lacks, unknown] = [list(true), list(false), list(null)];
  return [has, lacks && `no ${lacks}`, unknown && `unknown: ${unknown}`].filter(Boolean).join('; ');
}

export const deviceNames = { cpu: 'processor', webgpu: 'graphics' } as const;
/** Numbers of an adapter in software are not those of a graphics card. */
const deviceName = (device: Measured['device'], { graphics }: DoctorReport): string =>
  device === 'webgpu' && graphics.adapters.at(0)?.type === 'software'
    ? 'software'
    : deviceNames[device];

const graphicsRows = ({ graphics }: DoctorReport): Row[] =>
  graphics.adapters.length === 0
    ? [['none', graphics.missing?.found ?? '']]
    : graphics.adapters.map((adapter, i): Row => [`${i + 1}`, adapterText(adapter)]);

const types: { readonly [T in AdapterReport['type']]: string } = {
  discrete: 'a card of its own',
  integrated: 'in the processor',
  virtual: 'virtual',
  software: 'in software, on the processor',
  unknown: 'of unknown kind',
};

function adapterText(adapter: AdapterReport): string {
  const { name, maker, type, api, driver, memory, largestBuffer, halfPrecision } = adapter;
  const shared = type === 'discrete' ? '' : ' of shared memory';
  const half = {
    true: 'half precision',
    false: 'no half precision',
    null: 'half precision unknown',
  };
  return [
    `${name} (${maker}), ${types[type]}, through ${api}`,
    ...(driver === null ? [] : [`driver ${driver}`]),
    memory === null ? 'memory unknown' : `${bytes(memory)}${shared || ' of memory'}`,
    largestBuffer === null ? 'largest tensor unknown' : `tensors up to ${bytes(largestBuffer)}`,
    half[`${halfPrecision}`],
  ].join('; ');
}

function rateRow({ device, rates, skipped }: Measured, report: DoctorReport): Row {
  const name = deviceName(device, report);
  if (rates === null) return [name, `not measured: ${skipped ?? ''}`];
  const { products, convolutions, memory, toDevice, fromDevice } = rates;
  return [
    name,
    [
      `products ${arithmetic(products)}`,
      `3×3 convolutions ${arithmetic(convolutions)}`,
      `memory ${throughput(memory)}`,
      ...(toDevice === null || fromDevice === null
        ? []
        : [`to the device ${throughput(toDevice)}, back ${throughput(fromDevice)}`]),
    ].join('; '),
  ];
}

/** Where others computed meanwhile. */
const busyRows = ({ measured, processor: { load, threads } }: DoctorReport): Row[] =>
  load === null || load < 1.5 * threads || measured.every(({ rates }) => rates === null)
    ? []
    : [
        [
          '',
          `The machine is busy (load ${load.toFixed(1)}, ${threads} threads): idle, it is faster.`,
        ],
      ];

/** `268 GFLOP/s`, `12.4 TFLOP/s`. */
const arithmetic = (rate: number): string =>
  rate < 1e12 ? `${short(rate / 1e9)} GFLOP/s` : `${short(rate / 1e12)} TFLOP/s`;

const throughput = (rate: number): string => `${short(rate / 1e9)} GB/s`;

/** Three digits, none of them superfluous. */
const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));

function estimateLines(report: DoctorReport, width: number): string[] {
  const all = report.measured.filter(({ estimates }) => estimates.length > 0);
  if (all.length === 0) return [];
  return [
    `${bold('Estimated')} ${dim('from these rates and the arithmetic of one training step')}`,
    ...all.flatMap(({ device, estimates }) =>
      rows(
        width,
        estimates.map((one, i): Row => [
          i === 0 ? deviceName(device, report) : '',
          estimateText(one),
        ]),
      ),
    ),
    '',
  ];
}

const estimateText = ({ name, secondsPerStep, tokensPerSecond }: Estimate): string =>
  `${name}: about ${
    tokensPerSecond === null
      ? `${secondsPerStep < 1 ? `${short(secondsPerStep)} s` : duration(secondsPerStep)} a step`
      : `${short(tokensPerSecond)} tokens a second`
  }`;

function adviceLines(advice: readonly string[], width: number): string[] {
  if (advice.length === 0) return [`${green('✓')} Nothing is to be installed.`, ''];
  return [
    bold('For more'),
    ...advice.flatMap((step) =>
      wrapped(step, width - 4).map((line, i) => `  ${i === 0 ? yellow('→') : ' '} ${line}`),
    ),
    '',
  ];
}
