// A training process whose trainer is made up; SYNTHETIC_FAULT makes it fail in a given way.
import { DataError } from '../../errors.ts';
import { serveTraining } from '../serve.ts';
import { syntheticTrainer } from './synthetic.ts';

const faults: Readonly<Record<string, () => void>> = {
  user() {
    throw new DataError([{ where: 'cat.png', what: 'truncated' }]);
  },
  bug() {
    throw new TypeError('x is not a function');
  },
  killed: () => process.kill(process.pid, 'SIGKILL'),
};

serveTraining(async function* (job, options) {
  yield* syntheticTrainer(job, options);
  faults[process.env.SYNTHETIC_FAULT ?? '']?.();
});
