// What a language model learns from: a conversation, a text with its continuation, or a text.
import type { ChatMessage } from '../../tokenizer/chat.ts';

/** A message of a sample. `train: false` leaves an answer out of the loss. */
export interface SampleMessage extends ChatMessage {
  readonly train?: boolean;
}

export type TextContent =
  | {
      readonly kind: 'chat';
      readonly messages: readonly SampleMessage[];
      /** Descriptions of tools, as they stand beside the conversation. */
      readonly tools?: readonly unknown[];
      /** What is unusual about the order of the turns. */
      readonly unusual?: string;
    }
  | { readonly kind: 'completion'; readonly prompt: string; readonly completion: string }
  | { readonly kind: 'text'; readonly text: string };

export interface TextSample {
  /** `file:line` on which the sample begins. */
  readonly where: string;
  /** Position in the list of sources. */
  readonly source: number;
  readonly content: TextContent;
}

/** Whether a conversation closes with the assistant's turn, which an evaluation can ask for. */
export const endsWithAnswer = (content: TextContent): boolean =>
  content.kind !== 'chat' || content.messages.at(-1)?.role === 'assistant';

/** The same for two samples of the same words; spaces do not count. */
export function contentKey(content: TextContent): string {
  if (content.kind === 'chat')
    return JSON.stringify([
      ...content.messages.map(({ role, content: text, fields }) => [role, words(text), fields]),
      ...(content.tools ?? []),
    ]);
  return content.kind === 'text'
    ? words(content.text)
    : JSON.stringify([words(content.prompt), words(content.completion)]);
}

const words = (text: string): string => text.replace(/\s+/g, '');
