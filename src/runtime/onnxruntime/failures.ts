// What ONNX Runtime's failures are called: one message each, with what to do.

import { InternalError, SystemError, UserError, type Problem } from '../../errors.ts';
import { reasonOf } from '../../util/caught.ts';

/** A failure by what ONNX Runtime and Dawn say of it. */
interface Failure {
  readonly says: RegExp;
  readonly problem: Omit<Problem, 'where'>;
}

const WITHOUT_CARD =
  '`lora doctor` says what is missing on this machine; device: cpu computes without one.';

const noCard: Failure = {
  says: /Failed to get a WebGPU (adapter|device)|No supported adapters/i,
  problem: { what: 'no graphics card can be used', fix: WITHOUT_CARD },
};

const lost: Failure = {
  says: /\bdevice\b.{0,40}\b(lost|removed|hung)\b|DeviceLost|DEVICE_(LOST|REMOVED|HUNG|RESET)/i,
  problem: {
    what: 'the graphics card was lost: its driver was restarted or updated, the machine slept, or another program crashed it',
    fix: 'What was saved is intact. Start the command again; if it happens again, update the driver, or take device: cpu.',
  },
};

/**
 * Where no buffer can be had, Dawn gives one that is invalid: what is thrown is the error of the
 * first kernel that is to use it.
 */
const cardFull: Failure = {
  says: /out[ _]of[ _]((device|host)[ _])?memory|\bOOM\b|failed to allocate|Allocation size too large|exceeds the max(imum)? buffer size|Invalid Buffer|Too many storage buffers in shader|narrowing_error/i,
  problem: {
    what: 'the graphics card has too little memory for this',
    fix: 'What was saved is intact. Close other programs that use the card; lower batch_size, resolution or max_seq_length; or take device: cpu.',
  },
};

const machineFull: Failure = {
  says: /\bbad[_ ]alloc|failed to allocate memory|Array buffer allocation failed/i,
  problem: {
    what: 'the machine has too little memory for this',
    fix: 'What was saved is intact. Close other programs; lower batch_size, resolution or max_seq_length.',
  },
};

/** Whether the card is gone, with all that lies in its memory. */
export const isLost = (error: unknown): boolean => lost.says.test(reasonOf(error));

/** Runs `work`; what the card fails at becomes a SystemError that names it. */
export const namingCard = <T>(card: string, work: () => Promise<T>): Promise<T> =>
  naming(card, [noCard, lost, cardFull, machineFull], work);

/** Runs `work`; where the machine's memory is too small for it, that is a SystemError. */
export const namingMachine = <T>(work: () => Promise<T>): Promise<T> =>
  naming('memory', [machineFull], work);

/** Runs `work`, which opens the card: whatever it fails at, the card cannot be used. */
export async function namingOpening<T>(card: string, work: () => Promise<T>): Promise<T> {
  try {
    return await namingCard(card, work);
  } catch (error) {
    if (error instanceof UserError || error instanceof InternalError) throw error;
    const what = `the graphics card cannot be opened: ${reasonOf(error).split('\n')[0]}`;
    throw new SystemError([{ where: card, what, fix: WITHOUT_CARD }], { cause: error });
  }
}

async function naming<T>(
  where: string,
  failures: readonly Failure[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = failures.find(({ says }) => says.test(reasonOf(error)));
    const isOurs = error instanceof UserError || error instanceof InternalError;
    if (failure === undefined || isOurs) throw error;
    throw new SystemError([{ where, ...failure.problem }], { cause: error });
  }
}
