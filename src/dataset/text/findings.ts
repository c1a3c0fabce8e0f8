// What is found out about samples while they become tokens.
import type { FoundProblem } from '../../util/problems-by-kind.ts';

export type FindingKind =
  | 'template fails'
  | 'no default template'
  | 'template ignores answers'
  | 'template ignores the system message'
  | 'nothing trained'
  | 'cut off'
  | 'no end token'
  | 'two begin tokens'
  | 'dropped'
  | 'special tokens in the words'
  | 'altered by the template'
  | 'altered by the tokenizer'
  | 'unusual turns'
  | 'tools not written'
  | 'asked otherwise'
  | 'damaged characters'
  | 'no embedding';

/**
 * A fault that would go unnoticed in training. A warning leaves the sample in, or out, as it says.
 */
export interface Finding extends FoundProblem {
  readonly kind: FindingKind;
  readonly severity: 'error' | 'warning';
}
