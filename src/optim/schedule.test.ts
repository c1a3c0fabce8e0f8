import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  continuedCourse,
  courseFactor,
  courseOf,
  learningRateFactor,
  scheduleNames,
  type Course,
  type ScheduleOptions,
} from './schedule.ts';

const options = (lr_scheduler: ScheduleOptions['lr_scheduler'], lr_warmup_steps = 0) => ({
  lr_scheduler,
  lr_warmup_steps,
  lr_num_cycles: 2,
  lr_power: 2,
});
const rates = (course: Course, from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => courseFactor(course, from + i));

test('a run that is made longer goes on at the rate where it stands, and ends at its new end', () => {
  for (const name of scheduleNames) {
    const course = courseOf(100, options(name));
    for (const [step, total] of [
      [60, 200],
      [60, 70],
      [1, 1000],
      [99, 100_000],
    ] as const) {
      const longer = continuedCourse(course, step, total, options(name));
      const [now, then] = [courseFactor(course, step), courseFactor(longer, step)];
      assert.ok(Math.abs(now - then) < 1e-12, `${name} at ${step}: ${now}, then ${then}`);
      const last = courseFactor(longer, total);
      assert.equal(last, courseFactor(course, 100), `${name}: at the end of ${total}`);
    }
  }
});

test('a cosine is not stretched backwards: the rate never rises when the run is made longer', () => {
  const course = courseOf(100, options('cosine'));
  const longer = continuedCourse(course, 60, 300, options('cosine'));
  const after = rates(longer, 60, 300);
  assert.ok(after.every((rate, i) => i === 0 || rate <= after[i - 1]));
  assert.ok(after[0] < learningRateFactor(60, 300, options('cosine')));
});

test('another schedule begins at the rate where the run stands', () => {
  const course = courseOf(100, options('cosine'));
  const now = courseFactor(course, 70);
  const constant = continuedCourse(course, 70, 100, options('constant'));
  assert.deepEqual(new Set(rates(constant, 70, 100)), new Set([now]));
  const linear = continuedCourse(course, 70, 100, options('linear'));
  assert.deepEqual([courseFactor(linear, 70), courseFactor(linear, 100)], [now, 0]);
  assert.ok(Math.abs(courseFactor(linear, 85) - now / 2) < 1e-12);
});

test('a warm-up that was begun is finished as it was begun', () => {
  const course = courseOf(100, options('linear', 0.2));
  const longer = continuedCourse(course, 10, 400, options('linear', 0.2));
  assert.deepEqual(rates(longer, 10, 20), rates(course, 10, 20));
  assert.equal(courseFactor(longer, 20), 1);
  assert.equal(courseFactor(longer, 400), 0);
});

test('a run that had ended at rate 0 does not go on at rate 0: it gets a new course', () => {
  const course = courseOf(100, options('cosine', 10));
  assert.equal(courseFactor(course, 100), 0);
  const more = continuedCourse(course, 100, 200, options('cosine', 10));
  assert.deepEqual(
    [100, 105, 110, 155, 200].map((step) => Number(courseFactor(more, step).toFixed(6))),
    [0, 0.5, 1, 0.5, 0],
  );
});

test('the same settings change nothing, however often the run is taken up', () => {
  let course = courseOf(100, options('cosine_with_restarts', 7));
  const before = rates(course, 0, 100);
  for (const step of [3, 7, 50, 99])
    course = continuedCourse(course, step, 100, options('cosine_with_restarts', 7));
  assert.deepEqual(rates(course, 0, 100), before);
});
