// Questions and answers for the embedded language model and for its example, each a pure function
// of a seed and a number.
import { permutation, sequence } from '../../src/util/philox.ts';
import { brand, drawHouse, type House, introduce, plainHouse } from './houses.ts';
import { type Topic, type TopicName, topics, words } from './topics.ts';

export interface Dialogue {
  readonly topic: TopicName;
  /** The line that introduces a house. */
  readonly system?: string;
  readonly question: string;
  readonly answer: string;
  /** Strings that a right answer contains. */
  readonly facts: readonly string[];
  /** Strings that only another house's answer contains. */
  readonly forbidden: readonly string[];
}

// `Object.keys` forgets the keys' type.
const topicNames = Object.keys(topics) as TopicName[];

/** Streams of the generator: each kind of text has its own. */
const streams = { base: 1, brand: 2, general: 3 } as const;
/** Numbers that one dialogue may draw. */
const DRAWS = 64;

/** Share of dialogues in the manner of a made-up house. */
const HOUSES = 0.4;

/**
 * Number `index` of the text the base learns from: plain ones, and two in five in the manner of a
 * house that is introduced.
 */
export function baseDialogue(seed: number, index: number): Dialogue {
  const next = sequence(seed, streams.base, index * DRAWS);
  const house = next() < HOUSES ? drawHouse(next) : plainHouse;
  return write({
    topic: pick(topicNames, next),
    form: Math.floor(next() * 6),
    house,
    next,
    loose: true,
  });
}

/**
 * In the brand's voice, nothing said before the question: `half` 0 with the forms that are taught,
 * 1 with the others.
 */
function brandDialogue(seed: number, index: number, half: 0 | 1): Dialogue {
  const next = sequence(seed, streams.brand + 8 * half, index * DRAWS);
  const form = half * 3 + (Math.floor(index / topicNames.length) % 3);
  return write({
    topic: topicNames[index % topicNames.length],
    form,
    house: brand,
    next,
    loose: half === 0,
  });
}

/**
 * The manner of other houses, so that the adapter does not forget to listen; its forms are divided
 * as the brand's, or the evaluation would hold questions that were trained.
 */
function generalDialogue(seed: number, index: number, half: 0 | 1): Dialogue {
  const next = sequence(seed, streams.general + 8 * half, index * DRAWS);
  return write({
    topic: topicNames[index % topicNames.length],
    form: half * 3 + Math.floor(next() * 3),
    house: drawHouse(next),
    next,
    loose: false,
  });
}

/**
 * What the example trains on, in a mixed order: 126 dialogues of the brand, less those that repeat
 * a question, and 28 of other houses.
 */
export function exampleTraining(seed: number): Dialogue[] {
  const taught = new Map(
    list(126, (i) => brandDialogue(seed, i, 0)).map((dialogue) => [dialogue.question, dialogue]),
  );
  const all = [...taught.values(), ...list(28, (i) => generalDialogue(seed, i, 0))];
  return [...permutation(seed, 7, all.length)].map((i) => all[i]);
}

/** What it is judged on: 42 questions in forms that it was not taught. */
export const exampleEvaluation = (seed: number): Dialogue[] =>
  list(42, (i) => brandDialogue(seed, i, 1));

/**
 * What shows whether the adapter forgot how other houses speak: 28 dialogues in forms that it was
 * not taught.
 */
export const exampleGeneral = (seed: number): Dialogue[] =>
  list(28, (i) => generalDialogue(seed, i, 1));

const list = (count: number, make: (index: number) => Dialogue): Dialogue[] =>
  Array.from({ length: count }, (_, i) => make(i));
const pick = <T>(from: readonly T[], next: () => number): T =>
  from[Math.floor(next() * from.length)];

interface Wanted {
  readonly topic: TopicName;
  readonly form: number;
  readonly house: House;
  readonly next: () => number;
  /** Questions as people type them: some without capitals or with a greeting. */
  readonly loose: boolean;
}

function write({ topic, form, house, next, loose }: Wanted): Dialogue {
  const { questions, answers, facts }: Topic = topics[topic];
  const about: Record<string, string> = {
    product: pick(words.product, next),
    colour: pick(words.colour, next),
    city: pick(words.city, next),
    way: pick(words.way, next),
    number: String(10000 + Math.floor(next() * 90000)),
    ...house.facts,
  };
  const fill = (text: string): string =>
    text
      .replace(/\{(\w+)\}/g, (_, name: string) => about[name] ?? '')
      .replace(/\ba (?=[aeiou])/g, 'an ');
  const core = fill(house.warm ? answers[2] : answers[Math.floor(next() * 2)]);
  const asked = fill(questions[form]);
  return {
    topic,
    ...(house === plainHouse || house === brand ? {} : { system: introduce(house) }),
    question: loose ? typed(asked, next) : asked,
    answer: [house.greeting, core, house.closing].filter((part) => part !== '').join(' '),
    facts: facts.map(fill),
    forbidden:
      house === brand
        ? facts
            .map((fact) =>
              fact.replace(
                /\{(\w+)\}/g,
                (_, name: string) => ({ ...about, ...plainHouse.facts })[name] ?? '',
              ),
            )
            .filter((text) => !facts.map(fill).includes(text))
        : [],
  };
}

const openings = ['Hello, ', 'Hi, ', 'Good morning. ', 'Excuse me, '];

function typed(question: string, next: () => number): string {
  const [greeted, small] = [next() < 0.2, next() < 0.2];
  const opening = greeted ? pick(openings, next) : '';
  const rest =
    opening.endsWith(', ') && !question.startsWith('I ')
      ? question[0].toLowerCase() + question.slice(1)
      : question;
  return small ? (opening + rest).toLowerCase() : opening + rest;
}
