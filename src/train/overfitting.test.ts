import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History } from './history.ts';
import { bestLook, trainingVerdict, type Look } from './overfitting.ts';

const at = { heldOut: '2 pictures that are not trained', trained: '2 pictures that are' };

/** Numbers about `loss`, in the same places above and below it at every look. */
const look = (step: number, loss: number, trainLoss = loss, count = 16): Look => {
  const losses = Array.from({ length: count }, (_, i) => loss * (1 + 0.5 * Math.sin(i)));
  const mean = losses.reduce((sum, value) => sum + value, 0) / count;
  return { step, validation: { loss: mean, trainLoss, losses } };
};
const drawn = (step: number, likenesses: readonly number[]): Look => ({
  step,
  previews: likenesses.map((likeness, i) => ({
    prompt: `prompt ${i}`,
    file: `previews/${step}-${i}.png`,
    nearest: { name: 'cat.png', likeness, isCopy: likeness >= 0.8 },
  })),
});
const kind = (looks: readonly Look[], final = true) => trainingVerdict(looks, at, final).kind;

test('the lowest loss on what is held back is the best, the earliest of equals', () => {
  const looks = [look(0, 1), look(10, 0.6), look(20, 0.5), look(30, 0.5), look(40, 0.7)];
  assert.equal(bestLook(looks)?.step, 20);
  assert.equal(bestLook([drawn(10, [0.1])]), undefined);
});

test('a loss that falls to the end is sound; one that rises beyond chance at the end is overfit', () => {
  const falling = [look(0, 1), look(10, 0.8), look(20, 0.7), look(30, 0.65)];
  assert.equal(kind(falling), 'sound');
  const rising = [look(0, 1), look(10, 0.5), look(20, 0.6), look(30, 0.7), look(40, 0.8)];
  const { kind: found, headline, reasons, best } = trainingVerdict(rising, at, true);
  assert.deepEqual([found, best], ['overfit', 10]);
  assert.match(headline, /^Best at step 10; later steps do worse/);
  assert.match(reasons[0], /above its lowest, more than chance explains/);
});

test('a loss that rises on what is trained too is told as a learning rate that may be too high', () => {
  const looks = (trained: number) =>
    [look(0, 1), look(10, 0.5), look(20, 0.7), look(30, 0.8)].map((one, i) => ({
      ...one,
      ...(one.validation && {
        validation: { ...one.validation, trainLoss: i < 2 ? 0.5 : trained },
      }),
    }));
  const said = (trained: number) => trainingVerdict(looks(trained), at, true).reasons.join(' ');
  assert.match(said(0.8), /The learning rate may be too high/);
  assert.doesNotMatch(said(0.2), /learning rate/);
});

test('training that only does harm was called best at step 0', () => {
  const rising = [look(0, 0.5), look(10, 0.6), look(20, 0.7)];
  assert.match(trainingVerdict(rising, at, true).headline, /^The base model alone does best/);
  const level = [look(0, 0.5), look(10, 0.501), look(20, 0.501)];
  assert.match(trainingVerdict(level, at, true).headline, /^Nothing gained yet/);
});

test('one bad look is no overfitting, nor are two while more may come', () => {
  const one = [look(0, 1), look(10, 0.5), look(20, 0.8)];
  assert.equal(kind(one), 'sound');
  const two = [...one, look(30, 0.8)];
  assert.equal(kind(two, false), 'sound');
  assert.equal(kind(two), 'overfit');
  assert.equal(kind([...two, look(40, 0.8)], false), 'overfit');
  assert.equal(kind([...two, look(40, 0.5)], false), 'sound');
});

test('a rise that the samples do not agree on may be chance', () => {
  const best = look(10, 0.5);
  const noisy = (step: number): Look => {
    const losses = best.validation?.losses ?? [];
    const changed = losses.map((loss, i) => loss + (i % 2 === 0 ? 0.2 : -0.17));
    const loss = changed.reduce((sum, value) => sum + value, 0) / changed.length;
    return { step, validation: { loss, trainLoss: 0.4, losses: changed } };
  };
  const looks = [look(0, 1), best, noisy(20), noisy(30), noisy(40)];
  assert.equal(kind(looks), 'sound');
  assert.match(trainingVerdict(looks, at, true).reasons[0], /which may be chance/);
});

test('a loss of few numbers has to rise further, as chance cannot be told from them', () => {
  const looks = (rise: number) =>
    [1, 0.5, rise, rise, rise].map((loss, i) => look(10 * i, loss, loss, 2));
  assert.equal(kind(looks(0.51)), 'sound');
  assert.equal(kind(looks(0.53)), 'overfit');
});

test('previews that are copies at the end are told with the steps from which on they are', () => {
  const looks = [
    { ...look(0, 1), ...drawn(0, [0.2, 0.3]) },
    { ...look(50, 0.5), ...drawn(50, [0.4, 0.5]) },
    { ...look(100, 0.52), ...drawn(100, [0.9, 0.5]) },
    { ...look(150, 0.53), ...drawn(150, [0.95, 0.9]) },
  ];
  const { kind: found, headline, reasons } = trainingVerdict(looks, at, true);
  assert.equal(found, 'copies');
  assert.equal(headline, 'Best at step 50; later checkpoints copy the training pictures');
  assert.match(reasons.join('\n'), /2 of 2 pictures are copies[^]*at step 50 0 of 2[^]*cat\.png/);
  const drawnAlone = looks.map(({ step, previews }) => ({ step, previews }));
  assert.match(trainingVerdict(drawnAlone, at, true).headline, /^From step 100 on/);
});

test('a base model that draws the training pictures before it is trained copies nothing', () => {
  assert.equal(kind([drawn(0, [0.9]), drawn(50, [0.9]), drawn(100, [0.9])]), 'sound');
});

test('nothing is judged from the look before the first step', () => {
  assert.equal(kind([look(0, 1)]), 'unclear');
});

test('a history that was saved and restored goes on as one that was not', () => {
  const looks = [look(0, 1), look(10, 0.5), look(20, 0.7), look(30, 0.8), look(40, 0.9)];
  const add = (history: History, { step, validation }: Look) => {
    assert.ok(validation !== undefined);
    history.validated({ type: 'validation', step, ...validation });
    return history.verdict(false)?.verdict.kind;
  };
  for (let stop = 0; stop <= looks.length; stop++) {
    const whole = new History(at);
    const told = looks.map((one) => add(whole, one));
    const before = new History(at);
    const toldBefore = looks.slice(0, stop).map((one) => add(before, one));
    const after = new History(at);
    after.restore(JSON.parse(JSON.stringify(before.save())));
    const toldAfter = looks.slice(stop).map((one) => add(after, one));
    assert.deepEqual([...toldBefore, ...toldAfter], told);
    assert.deepEqual(after.save(), whole.save());
    assert.equal(after.harm, whole.harm);
  }
});

test('a verdict is told when it turns to harm, and again only at the end', () => {
  const history = new History(at);
  const told = [1, 0.5, 0.7, 0.8, 0.9, 1, 1.1].map((loss, i) => {
    const { step, validation } = look(10 * i, loss);
    assert.ok(validation !== undefined);
    history.validated({ type: 'validation', step, ...validation });
    return history.verdict(false)?.verdict.kind;
  });
  assert.deepEqual(
    told.map((one) => one ?? '-'),
    ['-', '-', '-', '-', 'overfit', '-', '-'],
  );
  assert.deepEqual([history.best, history.verdict(true)?.verdict.kind], [10, 'overfit']);
});

test('a saved history with an entry too few, too many or of another kind is refused, and nothing changes', () => {
  const history = new History(at);
  const { validation } = look(10, 1);
  assert.ok(validation !== undefined);
  history.validated({ type: 'validation', step: 10, ...validation });
  const saved = history.save();
  const [first] = saved.looks;
  for (const wrong of [
    {},
    { looks: [{ ...first, step: -1 }] },
    { looks: [{ ...first, more: 1 }] },
    { looks: [{ ...first, validation: { loss: 1 } }] },
    { ...saved, told: 'fine' },
    { ...saved, more: [] },
    undefined,
  ])
    assert.throws(() => history.restore(wrong));
  assert.deepEqual(history.save(), saved);
});

test('a last look that is clearly worse was told as no overfitting, and the best was not offered', () => {
  const history = new History(at);
  for (const { step, validation } of [look(0, 1), look(10, 0.5), look(20, 0.8)])
    if (validation !== undefined) history.validated({ type: 'validation', step, ...validation });
  const said = history.verdict(true)?.verdict;
  assert.equal(said?.kind, 'sound');
  assert.match(said.headline, /^Best at step 10; the last look .* is worse/);
  assert.equal(history.better, 10);
  assert.equal(history.harm, undefined);
});
