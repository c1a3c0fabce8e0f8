// The published lists of buckets, and what every placement must hold to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sequence } from '../util/philox.ts';
import {
  bucketFor,
  type BucketOptions,
  makeBuckets,
  selectBucket,
  selectBucketNoUpscale,
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
    const sizes = makeBuckets({ resolution });
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
  assert.deepEqual(list({ resolution: [128, 128] }), [
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
  // within the area: the size itself, rounded down
  assert.deepEqual(selectBucketNoUpscale(300, 500, options), {
    bucket: [256, 448],
    resized: [300, 500],
    crop: [22, 26, 256, 448],
  });
  // 1920 x 1080: width 682.67 -> 640, height 384 -> 384; 640/320 = 2 is 0.222 off, 640/384 = 1.667
  // is 0.111 off
  assert.deepEqual(selectBucketNoUpscale(1920, 1080, options), {
    bucket: [640, 384],
    resized: [683, 384],
    crop: [21, 0, 640, 384],
  });
  assert.deepEqual(selectBucketNoUpscale(40, 100, options).bucket, [64, 64]);
});

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
      if (noUpscale && w >= 64 && h >= 64 && w * h <= 512 * 512)
        assert.deepEqual(resized, [w, h], note);
    }
  }
});
