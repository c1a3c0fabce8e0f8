// The options of the data that language models learn from: files, how conversations are written,
// what is trained.
import { z } from 'zod';
import { forTexts, integer, number, text } from '../util/options.ts';
import { parseCivilTime } from '../util/strftime.ts';

/** `faq.jsonl` | `{ path: faq.jsonl, weight: 2 }`. */
const source = z
  .union([text(), z.strictObject({ path: text(), weight: number(0).gt(0).default(1) })])
  .transform((value) => (typeof value === 'string' ? { path: value, weight: 1 } : value));

export const textDataOptions = {
  train_data: z
    .array(source)
    .default([])
    .describe(
      'Several files or folders in place of train_data_dir, each a path or { path: faq.jsonl, weight: 2 }: so often an epoch shows each of its samples; 0.5 shows half of them, others in each epoch.',
    )
    .meta({ ...forTexts, expected: 'a list of paths, or of { path, weight }' }),
  max_seq_length: integer(2, 1 << 20)
    .optional()
    .describe('Longest row of tokens. When absent: 512.')
    .meta(forTexts),
  excess_length: z
    .enum(['truncate', 'drop', 'raise'])
    .default('truncate')
    .describe(
      'What happens to a sample that is longer: the answers that fit are kept, it is left out, or it is an error.',
    )
    .meta(forTexts),
  chat_template: text()
    .optional()
    .describe(
      "How conversations are written: the name of a template (chatml, llama3, alpaca, …), a .jinja file, or Jinja itself. When absent: the tokenizer's own.",
    )
    .meta(forTexts),
  template_date: text()
    .refine((date) => parseCivilTime(date) !== undefined, {
      error: 'expected a date such as 2026-01-31 or 2026-01-31T12:00:00',
      params: {
        fix: 'Write year, month and day, and after T a time where it matters, without a time zone.',
      },
    })
    .optional()
    .describe(
      "The date, such as 2026-01-31 or 2026-01-31T12:00:00, that a chat template which writes today's date takes for today, in training and in evaluations of the adapter. When absent: the start of the run, in UTC; the run's config.yaml records it.",
    )
    .meta({ ...forTexts, expected: 'a date such as 2026-01-31 or 2026-01-31T12:00:00' }),
  train_on: z
    .enum(['answers', 'all'])
    .default('answers')
    .describe('Which tokens are trained: those of the answers, their end tokens included, or all.')
    .meta(forTexts),
  packing: z
    .boolean()
    .default(false)
    .describe(
      'Puts several samples into one row of max_seq_length tokens; they do not see each other.',
    )
    .meta(forTexts),
  group_by_length: z
    .boolean()
    .default(false)
    .describe('Batches samples of about the same length.')
    .meta(forTexts),
};
