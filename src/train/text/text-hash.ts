// What a text is known by, wherever it stands.

import type { TextSample } from '../../dataset/text/sample.ts';
import { textHash } from '../../runs/samples.ts';

/** Of what is in it, not of its place. */
export const hashOfText = ({ content }: TextSample): string => textHash(JSON.stringify(content));
