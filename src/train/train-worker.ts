// Entry of the training process.
import { train } from './run.ts';
import { serveTraining } from './serve.ts';

serveTraining(train);
