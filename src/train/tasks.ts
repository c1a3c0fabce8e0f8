// The kinds of training, by the configuration's `task_type`.

import type { TrainConfig } from '../config/schema.ts';
import { imageTask } from './image/task.ts';
import type { Task } from './task.ts';
import { textTask } from './text/task.ts';

export const tasks: { readonly [K in TrainConfig['task_type']]: Task } = {
  image: imageTask,
  'text-generation': textTask,
};
