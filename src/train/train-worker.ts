// Entry of the training process.
import { UserError } from '../errors.ts';
import { serveTraining } from './serve.ts';

serveTraining(async function* () {
  throw new UserError([{ where: 'lora train', what: 'training is not there yet' }]);
});
