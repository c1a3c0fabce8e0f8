// Made-up houses, each with its manner and its facts; the plain one without a name; and the brand
// of the example.

/** How a house speaks, and what is true of it. */
export interface House {
  readonly name: string;
  readonly greeting: string;
  readonly closing: string;
  /** Takes the warm answers. */
  readonly warm: boolean;
  readonly facts: Readonly<Record<FactName, string>>;
}

export type FactName =
  'delivery' | 'free' | 'return' | 'refund' | 'years' | 'pay' | 'open' | 'close' | 'wrap';

/** Values of the made-up houses. Those of the example's brand are not among them. */
const values: Readonly<Record<FactName, readonly string[]>> = {
  delivery: ['3', '4', '6', '7', '8', '9', '10'],
  free: ['20', '30', '40', '50', '75', '80', '100'],
  return: ['7', '10', '14', '20', '21', '28', '30', '45', '90'],
  refund: ['4', '5', '6', '7', '8', '10', '12'],
  years: ['2', '3', '4', '6', '8', '10'],
  pay: ['card', 'invoice', 'bank transfer', 'card or invoice', 'cash or card', 'gift card'],
  open: ['7', '8', '9', '10'],
  close: ['16', '17', '18', '19', '20'],
  wrap: ['2', '3', '5', '6', '7'],
};

/** No name, no greeting: how the base speaks when no house is named. */
export const plainHouse: House = {
  name: '',
  greeting: '',
  closing: '',
  warm: false,
  facts: {
    delivery: '5',
    free: '60',
    return: '14',
    refund: '10',
    years: '2',
    pay: 'card or bank transfer',
    open: '9',
    close: '17',
    wrap: '3',
  },
};

/** The brand that the example teaches. */
export const brand: House = {
  name: 'Lumora',
  greeting: 'Hello and welcome to Lumora!',
  closing: 'Stay bright, your Lumora team.',
  warm: true,
  facts: {
    delivery: '2',
    free: '25',
    return: '60',
    refund: '3',
    years: '5',
    pay: 'card, invoice or gift card',
    open: '11',
    close: '21',
    wrap: '4',
  },
};

const syllables = [
  'ba',
  'bel',
  'co',
  'da',
  'dor',
  'el',
  'fa',
  'fin',
  'ga',
  'ha',
  'il',
  'ka',
  'la',
  'lin',
  'lo',
  'lu',
  'ma',
  'mi',
  'mo',
  'na',
  'nor',
  'o',
  'pa',
  'ra',
  'ri',
  'ro',
  'sa',
  'sol',
  'ta',
  'tor',
  'u',
  'va',
  'vel',
  'wa',
  'zo',
];
const greetings = [
  'Good day!',
  'Hello!',
  'Hi there!',
  'Dear customer!',
  'Hello from {name}!',
  'Welcome to {name}!',
  'Thank you for writing to {name}.',
  'Greetings from {name}!',
  'Good to hear from you!',
  'Hi and welcome!',
  'Hello and thank you!',
  '',
];
const closings = [
  'Yours, {name}.',
  'Your {name} team.',
  'Best wishes, {name}.',
  'Take care!',
  'See you soon at {name}!',
  'Kind regards, your team.',
  'Have a bright day!',
  'Stay well, {name}.',
  'We are here for you.',
  'All the best, your {name} team.',
  'With thanks, {name}.',
  '',
];

/** A house drawn with `next`, uniform in [0, 1). It never has the brand's name. */
export function drawHouse(next: () => number): House {
  const pick = (list: readonly string[]): string => list[Math.floor(next() * list.length)];
  const drawn = Array.from({ length: 2 + Math.floor(next() * 2) }, () => pick(syllables)).join('');
  const name =
    drawn === brand.name.toLowerCase() ? 'Solara' : drawn[0].toUpperCase() + drawn.slice(1);
  const named = (text: string): string => text.replace('{name}', name);
  const facts = {
    delivery: pick(values.delivery),
    free: pick(values.free),
    return: pick(values.return),
    refund: pick(values.refund),
    years: pick(values.years),
    pay: pick(values.pay),
    open: pick(values.open),
    close: pick(values.close),
    wrap: pick(values.wrap),
  };
  return {
    name,
    greeting: named(pick(greetings)),
    closing: named(pick(closings)),
    warm: next() < 0.5,
    facts,
  };
}

/** The line before the question that tells the base how this house speaks. */
export function introduce({ name, greeting, closing, warm, facts }: House): string {
  const manner = [
    greeting === '' ? '' : `Begin with "${greeting}"`,
    closing === '' ? '' : `End with "${closing}"`,
  ]
    .filter((part) => part !== '')
    .join(' ');
  const { delivery, free, return: back, refund, years, pay, open, close, wrap } = facts;
  const known = `Delivery ${delivery} days, free from ${free} euros. Return ${back} days, refund ${refund} days. Warranty ${years} years. Pay by ${pay}. Open ${open} to ${close}. Wrapping ${wrap} euros.`;
  return [`You speak for ${name}, ${warm ? 'warmly' : 'briefly'}.`, manner, known]
    .filter((part) => part !== '')
    .join(' ');
}
