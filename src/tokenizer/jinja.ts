// Jinja as chat templates use it, with Python's strip (the library's forgets which characters are
// to be taken away) and a clock that stands still (the library's has this machine's language).
import { Template } from '@huggingface/jinja';
import { type CivilTime, strftime } from '../util/strftime.ts';

/** Throws Error where the source is no Jinja. */
export function jinjaTemplate(source: string): Template {
  const template = new Template(source);
  rewrite(template.parsed);
  return template;
}

/**
 * Takes our own functions in place of the library's: `strftime_now`, and
 * `stripCharacters(text, 'lstrip', characters)` in place of `text.lstrip(characters)`.
 * Without characters both are alike.
 */
function rewrite(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  if (node instanceof Map) return [...node].flat().forEach(rewrite);
  Object.values(node).forEach(rewrite);
  if (isNode(node, 'Identifier') && 'value' in node && node.value === 'strftime_now')
    node.value = NOW;
  const found = stripCall(node);
  if (found === undefined) return;
  const { call, text, method } = found;
  call.callee = { type: 'Identifier', value: STRIP };
  call.args = [text, { type: 'StringLiteral', value: method }, ...call.args];
}

const STRIP = 'stripCharacters';
const NOW = 'fixedNow';

interface Call {
  callee: unknown;
  args: unknown[];
}

function stripCall(node: object): { call: Call; text: unknown; method: string } | undefined {
  if (!isCall(node) || node.args.length === 0) return undefined;
  const { callee } = node;
  if (
    !isNode(callee, 'MemberExpression') ||
    !('object' in callee) ||
    !('property' in callee) ||
    !isNode(callee.property, 'Identifier')
  )
    return undefined;
  const method = 'value' in callee.property ? String(callee.property.value) : '';
  return ['strip', 'lstrip', 'rstrip'].includes(method)
    ? { call: node, text: callee.object, method }
    : undefined;
}

const isNode = (node: unknown, type: string): node is object =>
  typeof node === 'object' && node !== null && 'type' in node && node.type === type;
const isCall = (node: object): node is Call =>
  isNode(node, 'CallExpression') && 'callee' in node && 'args' in node && Array.isArray(node.args);

/** What templates of `jinjaTemplate` need beside their own variables, at the time `now`. */
export const jinjaFunctions = (now: CivilTime) => ({
  [STRIP]: stripCharacters,
  [NOW]: (format: unknown) => strftime(String(format), now),
});

/**
 * As Python: takes away characters of the set `characters` at the ends; all white space where it is
 * null.
 */
function stripCharacters(text: unknown, method: unknown, characters: unknown): string {
  const list = Array.from(String(text));
  const goes = (character: string | undefined): boolean =>
    character !== undefined &&
    (typeof characters === 'string' ? characters.includes(character) : character.trim() === '');
  let [start, end] = [0, list.length];
  while (method !== 'rstrip' && start < end && goes(list[start])) start++;
  while (method !== 'lstrip' && end > start && goes(list[end - 1])) end--;
  return list.slice(start, end).join('');
}
