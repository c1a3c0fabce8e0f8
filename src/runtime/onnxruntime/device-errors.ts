// What a graphics card's failures are called: one message each, with what to do.

import { SystemError, type Problem } from '../../errors.ts';
import { reasonOf } from '../../util/caught.ts';

/** A failure by what ONNX Runtime and Dawn say of it. */
interface Failure {
  readonly says: RegExp;
  readonly problem: Omit<Problem, 'where'>;
}

const failures: readonly Failure[] = [
  {
    says: /Failed to get a WebGPU (adapter|device)|No supported adapters/i,
    problem: {
      what: 'no graphics card can be used',
      fix: '`lora doctor` says what is missing on this machine; device: cpu computes without one.',
    },
  },
  {
    says: /device (is |was |has been )?(lost|removed|hung)|DeviceLost|DEVICE_LOST|DEVICE_(REMOVED|HUNG|RESET)/i,
    problem: {
      what: 'the graphics card was lost: its driver was restarted or updated, the machine slept, or another program crashed it',
      fix: 'What was saved is intact. Start the command again; if it happens again, update the driver, or take device: cpu.',
    },
  },
  {
    says: /out[ _]?of[ _]?(device[ _]?|host[ _]?)?memory|failed to allocate|OOM|max buffer size|exceeds the maximum|AllocateBuffer/i,
    problem: {
      what: 'the graphics card has too little memory for this',
      fix: 'What was saved is intact. Close other programs that use the card; lower batch_size, resolution or max_seq_length; or take device: cpu.',
    },
  },
];

/** Runs `work`; what the card fails at becomes a SystemError that names it. */
export async function naming<T>(card: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = failures.find(({ says }) => says.test(reasonOf(error)));
    if (failure === undefined) throw error;
    throw new SystemError([{ where: card, ...failure.problem }], { cause: error });
  }
}
