// The published lists of buckets, and what every placement must hold to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sequence } from '../util/philox.ts';
import {
  bucketFaults,
  bucketFor,
  type BucketOptions,
  bucketRules,
  makeBuckets,
  selectBucket,
  selectBucketNoUpscale,
  shareCutOff,
  type Size,
} from './buckets.ts';

const list = (options: BucketOptions): string[] =>
  makeBuckets(options).map((size) => size.join('x'));

test('the buckets of 512 x 512', () => {
  const half = [
    '256x832',
    '256x896',
    '256x960',
    '256x1024',
    '320x704',
    '320x768',
    '384x640',
    '448x576',
  ];
  const expected = [...half, '512x512', ...half.map((name) => name.split('x').reverse().join('x'))];
  assert.deepEqual([...list({ resolution: [512, 512] })].sort(), expected.sort());
});

test('the counts of the published lists', () => {
  const counts: [BucketOptions, number][] = [
    [{ resolution: [512, 512], minSize: 256, maxSize: 1024 }, 17],
    [{ resolution: [512, 768], minSize: 256, maxSize: 1024 }, 19],
    [{ resolution: [768, 768], minSize: 256, maxSize: 1024 }, 19],
    [{ resolution: [1024, 1024], minSize: 256, maxSize: 2048 }, 41],
    [{ resolution: [1024, 1024], minSize: 512, maxSize: 2048 }, 33],
    [{ resolution: [1024, 1024], minSize: 256, maxSize: 1024 }, 25],
  ];
  for (const [options, count] of counts)
    assert.equal(list(options).length, count, JSON.stringify(options));
});

test('buckets are sorted, keep the area and the step', () => {
  for (const resolution of [
    [512, 512],
    [768, 512],
    [128, 128],
    [640, 640],
  ] satisfies Size[]) {
    const sizes = makeBuckets({ resolution, step: 64 });
    assert.deepEqual(
      sizes,
      [...sizes].sort((a, b) => a[0] - b[0] || a[1] - b[1]),
    );
    for (const [w, h] of sizes)
      assert.ok(
        w * h <= resolution[0] * resolution[1] && w % 64 === 0 && h % 64 === 0,
        `${w}x${h}`,
      );
  }
});

test('small resolutions have more than one bucket; without buckets there is exactly one', () => {
  assert.deepEqual(list({ resolution: [128, 128], step: 64 }), [
    '64x192',
    '64x256',
    '128x128',
    '192x64',
    '256x64',
  ]);
  assert.ok(list({ resolution: [128, 128], step: 16 }).length > 5, 'step 16');
  assert.deepEqual(list({ resolution: [500, 300], enabled: false }), ['500x300']);
});

test('placements by hand from the rules', () => {
  const buckets = makeBuckets({ resolution: [512, 512] });
  assert.deepEqual(selectBucket(512, 512, buckets), {
    bucket: [512, 512],
    resized: [512, 512],
    crop: [0, 0, 512, 512],
  });
  // 1920/1080 = 1.7778: 640x384 is 1.6667, 704x320 is 2.2; scale 384/1080
  assert.deepEqual(selectBucket(1920, 1080, buckets), {
    bucket: [640, 384],
    resized: [683, 384],
    crop: [21, 0, 640, 384],
  });
  assert.deepEqual(selectBucket(1080, 1920, buckets), {
    bucket: [384, 640],
    resized: [384, 683],
    crop: [0, 21, 384, 640],
  });
  // an exact size wins over an equal ratio
  assert.deepEqual(selectBucket(256, 1024, buckets).bucket, [256, 1024]);
  assert.deepEqual(selectBucket(100, 100, buckets), {
    bucket: [512, 512],
    resized: [512, 512],
    crop: [0, 0, 512, 512],
  });
});

test('without upscaling, by hand from the rules', () => {
  const options: BucketOptions = { resolution: [512, 512], noUpscale: true };
  // within the area: the size itself, rounded down, and the picture made smaller to it
  assert.deepEqual(selectBucketNoUpscale(300, 500, options), {
    bucket: [256, 448],
    resized: [269, 448],
    crop: [6, 0, 256, 448],
  });
  // 1920 x 1080: width 682.67 -> 640, height 384 -> 384; 640/320 = 2 is 0.222 off, 640/384 = 1.667
  // is 0.111 off
  assert.deepEqual(selectBucketNoUpscale(1920, 1080, options), {
    bucket: [640, 384],
    resized: [683, 384],
    crop: [21, 0, 640, 384],
  });
  // a side shorter than the step: rounded down to what the model takes
  assert.deepEqual(selectBucketNoUpscale(40, 100, options).bucket, [40, 64]);
  assert.deepEqual(selectBucketNoUpscale(45, 70, options).bucket, [40, 64]);
});

test('a portrait of 256x384 on a base of 128 px, which fell into 64x192 and lost its half', () => {
  const choice = bucketFor(256, 384, { resolution: [128, 128], unit: 4 });
  assert.deepEqual(choice.bucket, [104, 152]);
  assert.ok(shareCutOff(choice) < 0.03);
  for (const [w, h] of [
    [2, 3],
    [3, 4],
    [4, 5],
    [9, 16],
    [1, 2],
  ])
    for (const base of [64, 128, 192, 256, 320, 448]) {
      const [upright, turned] = [
        bucketFor(97 * w, 97 * h, { resolution: [base, base], unit: 4 }),
        bucketFor(97 * h, 97 * w, { resolution: [base, base], unit: 4 }),
      ];
      assert.ok(shareCutOff(upright) <= 0.12, `${w}:${h} at ${base}: ${shareCutOff(upright)}`);
      assert.deepEqual(turned.bucket, upright.bucket.toReversed());
    }
});

test('sound resolutions have legal limits: 192, 320, 448, 512x384, 448x320', () => {
  const limits = (resolution: Size, unit = 8) => {
    const { minSize, maxSize, step } = bucketRules({ resolution, unit });
    return [minSize, maxSize, step];
  };
  assert.deepEqual(limits([192, 192]), [96, 384, 16]);
  assert.deepEqual(limits([320, 320]), [160, 640, 32]);
  assert.deepEqual(limits([448, 448]), [224, 896, 32]);
  assert.deepEqual(limits([512, 384]), [192, 896, 32]);
  assert.deepEqual(limits([448, 320]), [160, 768, 32]);
  assert.deepEqual(limits([512, 512]), [256, 1024, 64]);
  assert.deepEqual(limits([1024, 1024]), [256, 2048, 64]);
  assert.deepEqual(limits([128, 128], 4), [64, 256, 8]);
  assert.deepEqual(bucketRules({ resolution: [512, 512], minSize: 200, maxSize: 1000 }), {
    ...bucketRules({ resolution: [512, 512] }),
    minSize: 192,
    maxSize: 1024,
  });
});

test('sizes that cannot be trained are refused with the true reason', () => {
  const faults = (options: BucketOptions) =>
    bucketFaults(options).map(({ option, what }) => `${option}: ${what}`);
  const square: Size = [512, 512];
  assert.deepEqual(faults({ resolution: square }), []);
  assert.match(faults({ resolution: [500, 500], enabled: false })[0], /^resolution: 500x500 .*8$/);
  assert.deepEqual(faults({ resolution: [200, 328], enabled: false }), []);
  assert.match(faults({ resolution: square, step: 20 })[0], /^step: .*multiples of 8, and 20/);
  assert.deepEqual(faults({ resolution: square, step: 20, unit: 4 }), []);
  assert.match(faults({ resolution: [256, 256], step: 512 })[0], /^step: 256x256 is too small/);
  assert.match(faults({ resolution: square, minSize: 576 })[0], /^minSize: /);
  assert.match(faults({ resolution: square, maxSize: 256 })[0], /^maxSize: /);
});

/** Resolutions, steps and limits, as they are and drawn. */
function* settings(): Generator<BucketOptions> {
  const next = sequence(23, 0);
  const draw = (least: number, most: number) => least + Math.floor(next() * (most - least));
  const named = [64, 100, 128, 192, 200, 256, 320, 448, 500, 512, 640, 768, 1000, 1024, 1536];
  const pairs: Size[] = [...named.map((side): Size => [side, side]), [512, 384], [448, 320]];
  for (const unit of [4, 8]) {
    const drawn = Array.from({ length: 40 }, (): Size => [draw(64, 1600), draw(64, 1600)]);
    for (const resolution of [...pairs, ...drawn])
      for (const step of [undefined, unit, 2 * unit, 5 * unit, 64])
        for (const noUpscale of [false, true]) yield { resolution, unit, step, noUpscale };
  }
}

test('every bucket is legal and every picture finds one, at any setting', () => {
  const next = sequence(29, 0);
  const side = (): number => Math.floor(8 * 500 ** next());
  for (const options of settings()) {
    const note = JSON.stringify(options);
    if (bucketFaults(options).length > 0) {
      assert.ok(
        (options.step ?? 0) > Math.sqrt(options.resolution[0] * options.resolution[1]),
        note,
      );
      continue;
    }
    const { unit, minSize, maxSize } = bucketRules(options);
    const buckets = makeBuckets(options);
    assert.ok(
      buckets.flat().every((length) => length >= minSize && length <= maxSize),
      note,
    );
    for (let i = 0; i < 10; i++) {
      const [w, h] = [side(), side()];
      const choice = bucketFor(w, h, options);
      const where = `${w}x${h} ${JSON.stringify(choice)} ${note}`;
      const [bw, bh] = choice.bucket;
      assert.ok(bw >= unit && bh >= unit && bw % unit === 0 && bh % unit === 0, where);
      assert.ok(bw * bh <= options.resolution[0] * options.resolution[1], where);
      const [rw, rh] = choice.resized;
      if (options.noUpscale === true)
        assert.ok(rw <= Math.max(w, bw) && rh <= Math.max(h, bh) && bw <= w && bh <= h, where);
      else {
        const least = Math.min(...buckets.map(([x, y]) => shareOf(w / h, x / y)));
        assert.ok(Math.abs(shareOf(w / h, bw / bh) - least) < 1e-9, where);
      }
      assert.ok(rw === bw || rh === bh, `one side meets the bucket ${where}`);
    }
  }
});

/** What is cut off a picture of the ratio `picture` that covers a bucket of the ratio `bucket`. */
const shareOf = (picture: number, bucket: number): number =>
  1 - Math.min(picture / bucket, bucket / picture);

test('every placement covers its bucket, keeps the ratio and cuts inside', () => {
  const next = sequence(11, 0);
  for (let i = 0; i < 2000; i++) {
    const [w, h] = [1 + Math.floor(next() * 4000), 1 + Math.floor(next() * 4000)];
    for (const noUpscale of [false, true]) {
      const { bucket, resized, crop } = bucketFor(w, h, { resolution: [512, 512], noUpscale });
      const note = `${w}x${h} ${JSON.stringify({ bucket, resized, crop })}`;
      assert.ok(resized[0] >= bucket[0] && resized[1] >= bucket[1], note);
      assert.deepEqual([crop[2], crop[3]], bucket, note);
      assert.ok(
        crop[0] >= 0 &&
          crop[1] >= 0 &&
          crop[0] + crop[2] <= resized[0] &&
          crop[1] + crop[3] <= resized[1],
        note,
      );
      const tolerance =
        0.5 / Math.min(resized[0], resized[1]) + 0.5 / Math.max(resized[0], resized[1]) + 1e-9;
      assert.ok(Math.abs(Math.log(resized[0] / resized[1] / (w / h))) < 2 * tolerance, note);
    }
  }
});
