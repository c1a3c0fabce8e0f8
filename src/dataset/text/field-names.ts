// The names of the fields in which people write training samples, and those that are near them.
import { closest, distance } from 'fastest-levenshtein';
import { reasoningNames } from '../../tokenizer/chat.ts';

export const conversationKeys = [
  'messages',
  'conversations',
  'conversation',
  'dialog',
  'dialogue',
] as const;
export const instructionKeys = ['instruction'] as const;
export const promptKeys = ['prompt', 'question', 'query', 'input'] as const;
export const answerKeys = ['completion', 'response', 'answer', 'output'] as const;
export const textKeys = ['text', 'content'] as const;
export const inputKeys = ['input', 'context'] as const;
export const systemKeys = ['system', 'system_prompt', 'system_message'] as const;
export const toolKeys = ['tools', 'functions'] as const;
export const listKeys: readonly string[] = [...conversationKeys, ...toolKeys, 'history'];
export const besideKeys: readonly string[] = [
  ...systemKeys,
  ...toolKeys,
  'history',
  ...reasoningNames,
];
export const everyKey: readonly string[] = [
  ...conversationKeys,
  ...instructionKeys,
  ...promptKeys,
  ...answerKeys,
  ...textKeys,
];

/** What others call these fields; not read, as it may mean something else, but advised. */
const otherNames: readonly (readonly [key: string, pattern: RegExp])[] = [
  ['instruction', /^(instruct|指令|指示)$/i],
  ['input', /^(输入|輸入)$/],
  [
    'prompt',
    /^(user|human|q|ask|asked|user_(input|message|prompt|query)|customer|问题|問題|提问|提問|问|問|用户|用戶|客户|客戶)$/i,
  ],
  ['output', /^(输出|輸出)$/],
  [
    'completion',
    /^(assistant|gpt|chatgpt|bot|model|a|reply|target|solution|ground_truth|agent|(bot|assistant|model)_(reply|response|answer|message|output)|回答|答案|答|回复|回覆|答复|答覆|客服|助手)$/i,
  ],
  ['text', /^(document|passage|body|文本|内容|內容|正文)$/i],
];

/** The key that is probably meant by a field of another name. */
export function meantKey(name: string): string | undefined {
  const other = otherNames.find(([, pattern]) => pattern.test(name.trim()))?.[0];
  if (other !== undefined || name.length < 3) return other;
  const near = closest(name.trim().toLowerCase(), everyKey);
  return distance(name.trim().toLowerCase(), near) <= 2 ? near : undefined;
}

/** The field beside the words that is probably meant by `name`; undefined where none is near. */
export const nearField = (name: string): string | undefined => {
  const key = closest(name.toLowerCase(), [...inputKeys, ...besideKeys]);
  return distance(name.toLowerCase(), key) <= (key.length > 4 ? 2 : 1) ? key : undefined;
};

/** Names of what data sets say about a sample; none of it is to be learned. */
const about =
  /^(_?(.*_)?(id|idx|index|uid|uuid|guid|key|hash)_?|sources?|src|origin|provenance|(data_?set|subset|split|category|categories|task|topic|domain|subject|type|tags?|labels?|lang|language|model|generator|author|licen[cs]e|url|link|version|difficulty|quality|score|rating|facts|forbidden|notes?|comments?|metadata|meta|info|extra|created|updated|timestamp|date|time|turns?|rounds?|tokens?|length)(_.*)?|num_.*|n_.*|.*_(count|len|length|score|at|date|time|name|type|source|model))$/i;

/** Whether a field of this name says something about a sample, and is not to be learned. */
export const isAbout = (name: string): boolean => about.test(name);
