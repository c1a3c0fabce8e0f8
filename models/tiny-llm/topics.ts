// What people ask a shop and what it answers: fourteen topics, each with six forms of the question
// and three answers.

/**
 * Words in braces are filled in: what the question is about, and what is true of the house that
 * answers.
 */
export interface Topic {
  /** The first half is taught to the example's adapter, the second half is kept to judge it. */
  readonly questions: readonly [string, string, string, string, string, string];
  /** Two plain ones, then a warm one. */
  readonly answers: readonly [string, string, string];
  /** What an answer must contain to be right. */
  readonly facts: readonly string[];
}

export const topics = {
  delivery: {
    questions: [
      'How long does delivery of the {product} to {city} take?',
      'When will my {product} arrive in {city}?',
      'How many days until a {product} is in {city}?',
      'I live in {city}. How soon can I have the {product}?',
      'What is the delivery time for a {colour} {product}?',
      'If I order the {product} today, when is it here?',
    ],
    answers: [
      'Delivery takes {delivery} days.',
      'The {product} arrives within {delivery} days.',
      'Your {product} will be with you in {delivery} days, and we will write to you when it leaves.',
    ],
    facts: ['{delivery} days'],
  },
  shipping: {
    questions: [
      'What does delivery cost?',
      'How much is shipping to {city}?',
      'Is delivery of the {product} free?',
      'Do I pay for delivery?',
      'What are the shipping costs for a {product}?',
      'When is shipping free?',
    ],
    answers: [
      'Delivery is free from {free} euros.',
      'From {free} euros on you do not pay for delivery.',
      'From {free} euros on, delivery is our gift to you.',
    ],
    facts: ['{free} euros'],
  },
  return: {
    questions: [
      'Can I return the {product}?',
      'How long can I send back the {product}?',
      'I do not like the {colour} {product}. Can I send it back?',
      'What is your return policy?',
      'Until when may I return a {product}?',
      'The {product} does not fit. May I give it back?',
    ],
    answers: [
      'You can return it within {return} days.',
      'Returns are possible for {return} days.',
      'Of course, you have {return} days to send it back, and the way back is free.',
    ],
    facts: ['{return} days'],
  },
  refund: {
    questions: [
      'When do I get my money back for order {number}?',
      'How long does a refund take?',
      'I sent back the {product}. Where is my money?',
      'When will you pay me back?',
      'My refund for order {number} has not come. When will it be here?',
      'How soon is the money for the {product} back?',
    ],
    answers: [
      'The refund takes {refund} days.',
      'You have your money back within {refund} days.',
      'Your money is on its way and will be with you within {refund} days.',
    ],
    facts: ['{refund} days'],
  },
  warranty: {
    questions: [
      'How long is the warranty on the {product}?',
      'Does the {product} have a warranty?',
      'My {product} broke after a year. Is there a warranty?',
      'For how many years is a {product} covered?',
      'What warranty do you give on a {colour} {product}?',
      'Is the {product} still under warranty?',
    ],
    answers: [
      'The warranty lasts {years} years.',
      'We give {years} years of warranty.',
      'We stand by our work: the {product} has a warranty of {years} years.',
    ],
    facts: ['{years} years'],
  },
  payment: {
    questions: [
      'How can I pay?',
      'Which ways to pay do you take?',
      'Can I pay for the {product} by {way}?',
      'What are the ways to pay for order {number}?',
      'Do you accept {way}?',
      'How do I pay for the {product}?',
    ],
    answers: [
      'You can pay by {pay}.',
      'We take {pay}.',
      'You can pay by {pay}, and you only pay when the parcel leaves us.',
    ],
    facts: ['{pay}'],
  },
  status: {
    questions: [
      'Where is my order {number}?',
      'What is the status of order {number}?',
      'Has order {number} been sent?',
      'I am waiting for order {number}. Where is it?',
      'Can you tell me about order {number}?',
      'Has the {product} of order {number} left your house?',
    ],
    answers: [
      'Order {number} is on its way.',
      'Order {number} has been sent.',
      'Good news: order {number} has left our house and is on its way to you.',
    ],
    facts: ['{number}'],
  },
  address: {
    questions: [
      'Can I change the address of order {number}?',
      'I moved to {city}. Can you send order {number} there?',
      'Please send order {number} to {city}.',
      'The address of order {number} is wrong. What can I do?',
      'How do I change where order {number} goes?',
      'Can order {number} go to {city} instead?',
    ],
    answers: [
      'Write us the new address for order {number}.',
      'We can change the address of order {number}. Please send us the new one.',
      'We gladly change it: just send us the new address for order {number}.',
    ],
    facts: ['{number}', 'address'],
  },
  cancel: {
    questions: [
      'I want to cancel order {number}.',
      'Can I cancel order {number}?',
      'Please stop order {number}.',
      'How do I cancel my order {number}?',
      'I no longer need the {product}. Cancel order {number}, please.',
      'Is it too late to cancel order {number}?',
    ],
    answers: [
      'Order {number} is cancelled.',
      'We have cancelled order {number}.',
      'No problem at all: order {number} is cancelled, and you pay nothing.',
    ],
    facts: ['{number}', 'cancelled'],
  },
  hours: {
    questions: [
      'When are you open?',
      'What are your opening hours?',
      'When can I come to the shop in {city}?',
      'Until when can I call you?',
      'At what time do you open?',
      'How late is the shop in {city} open?',
    ],
    answers: [
      'We are open from {open} to {close}.',
      'Our hours are {open} to {close}.',
      'We are here for you from {open} to {close}, every day but Sunday.',
    ],
    facts: ['{open} to {close}'],
  },
  stock: {
    questions: [
      'Do you have the {product} in {colour}?',
      'Is the {colour} {product} in stock?',
      'Can I get a {colour} {product}?',
      'I am looking for a {colour} {product}. Do you have one?',
      'Is there a {product} in {colour}?',
      'Do you still have the {colour} {product}?',
    ],
    answers: [
      'Yes, the {product} is in stock in {colour}.',
      'Yes, we have the {product} in {colour}.',
      'Yes, the {colour} {product} is here and waiting for you.',
    ],
    facts: ['{colour}', '{product}'],
  },
  damaged: {
    questions: [
      'My {product} arrived broken.',
      'The {product} is damaged. What now?',
      'The {colour} {product} has a crack.',
      'I got a broken {product} with order {number}.',
      'There is a scratch on my {product}. What do I do?',
      'The {product} came in pieces. Can you help?',
    ],
    answers: [
      'We are sorry. We will send a new {product}.',
      'Please send us a photo, and a new {product} will follow.',
      'We are so sorry! A new {product} leaves us today, and you need not send back the old one.',
    ],
    facts: ['new {product}'],
  },
  gift: {
    questions: [
      'Can you wrap the {product} as a gift?',
      'Do you wrap gifts?',
      'The {product} is a present. Can you wrap it?',
      'Is there gift wrapping for the {colour} {product}?',
      'I want to give the {product} to a friend. Do you wrap it?',
      'What does it cost to wrap a {product}?',
    ],
    answers: [
      'Gift wrapping costs {wrap} euros.',
      'Yes, we wrap it for {wrap} euros.',
      'What a lovely idea! We wrap it by hand for {wrap} euros.',
    ],
    facts: ['{wrap} euros'],
  },
  thanks: {
    questions: [
      'Thank you!',
      'Thanks for the help.',
      'Great, thank you very much.',
      'That helped me, thanks.',
      'Thanks a lot!',
      'Perfect, thank you.',
    ],
    answers: [
      'You are welcome.',
      'You are welcome. Write to us at any time.',
      'It was a pleasure! Write to us whenever you like.',
    ],
    facts: [],
  },
} as const satisfies Readonly<Record<string, Topic>>;

export type TopicName = keyof typeof topics;

export const words = {
  product: [
    'lamp',
    'chair',
    'rug',
    'kettle',
    'backpack',
    'mirror',
    'clock',
    'blanket',
    'bottle',
    'desk',
    'shelf',
    'mug',
    'vase',
    'pillow',
    'basket',
    'bench',
  ],
  colour: ['red', 'blue', 'green', 'yellow', 'black', 'white', 'grey', 'brown', 'orange', 'pink'],
  way: ['card', 'invoice', 'bank transfer', 'gift card', 'cash'],
  city: [
    'Berlin',
    'Paris',
    'Madrid',
    'Rome',
    'Vienna',
    'London',
    'Oslo',
    'Dublin',
    'Lisbon',
    'Prague',
    'Athens',
    'Zurich',
  ],
} as const;
