// A picture of a run with the bucket that it is trained, or validated on, in.

import type { BucketChoice } from '../../dataset/buckets.ts';
import type { Sample } from '../../dataset/folder.ts';

export type TrainingPicture = Sample & BucketChoice;
