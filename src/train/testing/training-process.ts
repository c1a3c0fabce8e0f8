// Trains with the settings that it is sent, and says which events there were.

import { parseConfig } from '../../config/load.ts';
import { reasonOf } from '../../util/caught.ts';
import { train } from '../run.ts';
import type { Message, Settings } from './killed-runs.ts';

const send = (message: Message) =>
  new Promise<void>((resolve) => process.send?.(message, undefined, undefined, () => resolve()));

process.once('message', (settings: Settings) => {
  void run(settings).then(async (failure) => {
    await send({ type: 'end', failure });
    process.disconnect();
  });
});

async function run(settings: Settings): Promise<string | undefined> {
  try {
    for await (const { type } of train(parseConfig(settings))) await send({ type });
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
