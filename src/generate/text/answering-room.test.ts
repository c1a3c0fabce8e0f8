// What answers take: several texts are written beside each other, their keys and values kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { narrowCard } from '../../runtime/testing/narrow-card.ts';
import { answeringRoom, mostTogether } from './answering-room.ts';
import { keyWidth, stepGraph } from './step-graph.ts';
import { tinyModel, tinyModelNames } from './tiny-models.test-util.ts';

test('answers were estimated for one text, and eight of them were written together', async () => {
  for (const name of tinyModelNames) {
    const { config, weights } = tinyModel(name);
    const runtime = await narrowCard(2 ** 40)({ threads: 1 });
    const rows = mostTogether(config);
    assert.equal(rows, 8, name);
    const kept = rows * 512 * config.layers.length * 2 * keyWidth(config) * 4;
    const step = runtime.activations(
      stepGraph(config, { rows, tokens: 64, capacity: 512 }),
      weights,
    );
    const { bytes } = answeringRoom(runtime, { config, weights });
    assert.ok(bytes >= kept + step.taken, `${name}: ${bytes} for ${kept} and ${step.taken}`);
    await runtime.release();
  }
});
