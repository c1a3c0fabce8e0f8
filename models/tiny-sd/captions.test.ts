import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClipTokenizer } from '../../src/tokenizer/clip.ts';
import { sequence } from '../../src/util/philox.ts';
import { captionIds, fullId, smallIds } from './captions.ts';
import { combinationOf } from './draw.ts';

// "an umbrella" drew birds while its piece shared a row that the packed table does not have
test('every piece of the captions comes back from the small table as itself', async () => {
  const tokenizer = await createClipTokenizer();
  const next = sequence(3, 1);
  for (let picture = 0; picture < 1264; picture++) {
    const ids = captionIds(tokenizer, combinationOf(1, picture), next);
    assert.deepEqual(
      smallIds(ids, tokenizer).map((row) => fullId(row, tokenizer)),
      ids,
    );
  }
});
