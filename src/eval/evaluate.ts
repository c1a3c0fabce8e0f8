// Base beside adapter over questions that neither was trained on: asks, judges, and gives a
// verdict.
import { DataError, InternalError, type Problem, SystemError } from '../errors.ts';
import { faultsByKind, problemsByKind } from '../util/problems-by-kind.ts';
import { phase, type PhaseEvent, type WarningEvent } from '../events.ts';
import { chunks } from '../util/chunks.ts';
import { inTurn } from '../util/in-turn.ts';
import type { Answerer, CheckFinding } from './answerer.ts';
import { type EvalSet, readEvalFile } from './eval-file.ts';
import { type HeldOut, heldOutSet } from './held-out.ts';
import { scoreAnswer } from './score.ts';
import { type ModelFiles, openModel, type OpenModel } from './open-model.ts';
import type { Question } from './questions.ts';
import type { EvalResult, Judged, JudgedQuestion } from './result.ts';
import { setResult } from './totals.ts';
import { cpuRuntime, openRuntime, type Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import { verdictOf } from './verdict.ts';

/** A question has been answered by both. */
export interface JudgedEvent {
  readonly type: 'judged';
  readonly set: 'questions' | 'general';
  readonly judged: JudgedQuestion;
}

export type EvalEvent = PhaseEvent | WarningEvent | JudgedEvent;

export type Answering = Pick<OpenModel, 'answerer' | 'names'> & Partial<OpenModel>;

export interface EvaluateOptions {
  /**
   * Files of base and adapter; or what answers already (`createAnswerer`), which then stays open.
   */
  readonly model: ModelFiles | Answering;
  /**
   * A file of questions; or held-out samples (the latter needs files of a model);
   * or questions at hand.
   */
  readonly questions: string | HeldOut | EvalSet;
  /** A file of questions about other things, which shows what was lost. */
  readonly general?: string;
  /** Aborted: the verdict is over what is judged so far. */
  readonly signal?: AbortSignal;
  /** Default: `openRuntime`. */
  readonly open?: (options: RuntimeOptions) => Promise<Runtime>;
}

/**
 * Asks every question without and with the adapter; returns figures, differences and the verdict,
 * or undefined where the signal came before the first answer. Throws, before anything is asked, one
 * DataError with every fault of the questions, CheckpointError for model or adapter, ConfigError
 * for the chat template.
 *
 * At the end of a training run, with the generator that drew its previews:
 *
 *     const answerer = createAnswerer({ generator, tokenizer, template, maxSeqLength });
 *     const result = yield* evaluate({ model: { answerer, names }, questions: config.eval_path,
 *     signal });
 *     if (result) for (const [name, content] of evaluationFiles(result)) write(name, content); //
 *     eval.html, eval.json
 *
 * Its `phase` and `warning` events are those of a training run and may be passed on; a `judged`
 * event carries the answers to one question. Blocks the thread while a token is computed.
 */
export async function* evaluate(
  options: EvaluateOptions,
): AsyncGenerator<EvalEvent, EvalResult | undefined> {
  const { questions, general, signal } = options;
  // The file first: its faults are found in no time.
  const read = typeof questions === 'string' ? await readEvalFile(questions, general) : questions;
  if (!('answerer' in options.model)) yield phase('loading the model');
  const { model, close } = await opened(options);
  try {
    const set =
      typeof questions === 'string' && 'questions' in read
        ? read
        : await setOf(read, general, model);
    for (const problem of [
      ...(model.warnings ?? []),
      ...set.warnings,
      ...checkQuestions(set, (question) => model.answerer.check?.(question) ?? []),
    ])
      yield { type: 'warning', problem };
    const names = { ...model.names, questions: set.name ?? 'held-out samples' };
    return yield* judgeSets(
      set,
      {
        answerer: model.answerer,
        signal,
        device: model.computedOn,
        progress: { done: 0, total: set.questions.length + set.general.length },
      },
      names,
    );
  } finally {
    await close();
  }
}

interface Opened {
  readonly model: Answering;
  readonly close: () => Promise<void>;
}

/**
 * A model that stays open, or one from files, that is closed with what computes it: the processor
 * where `auto` took a card that has no room for it.
 */
async function opened({ model, open = openRuntime }: EvaluateOptions): Promise<Opened> {
  if ('answerer' in model) return { model, close: () => Promise.resolve() };
  const { device = 'auto', threads } = model;
  const taken = await openedOn(await open({ device, threads }), model);
  const { lacking } = taken.model;
  if (lacking === undefined) return taken;
  await taken.close();
  if (device !== 'auto')
    throw new SystemError([{ where: 'device', what: lacking, fix: 'Take device: cpu.' }]);
  const what = `${lacking}: the processor answers`;
  return openedOn(cpuRuntime(threads), model, [{ where: 'device', what }]);
}

async function openedOn(
  runtime: Runtime,
  files: ModelFiles,
  warnings: readonly Problem[] = [],
): Promise<Opened> {
  try {
    const model = openModel(files, runtime);
    return {
      model: { ...model, warnings: [...warnings, ...model.warnings] },
      close: () => inTurn([async () => model.answerer.close?.(), () => runtime.release()]),
    };
  } catch (error) {
    await runtime.release();
    throw error;
  }
}

async function setOf(
  questions: HeldOut | EvalSet,
  general: string | undefined,
  model: Answering,
): Promise<EvalSet> {
  const set = 'questions' in questions ? questions : await heldOut(questions, model);
  if (set.questions.length === 0)
    throw new DataError([
      {
        where: 'questions',
        what: 'the held-out split has no samples to ask about',
        fix: 'Raise the share, or name a file of questions.',
      },
    ]);
  if (general === undefined) return set;
  const other = await readEvalFile(general);
  return {
    ...set,
    general: [...set.general, ...other.questions, ...other.general],
    warnings: [...set.warnings, ...other.warnings],
  };
}

function heldOut(questions: HeldOut, { promptFormat }: Answering): Promise<EvalSet> {
  if (promptFormat !== undefined) return heldOutSet(questions, promptFormat);
  throw new InternalError('the tokenizer and chat template are not known: give `promptFormat`');
}

/**
 * What the model cannot be asked is an error before anything is asked; what is asked with a loss is
 * returned.
 */
export function checkQuestions(
  { questions, general }: EvalSet,
  check: (question: Question) => readonly CheckFinding[],
): readonly Problem[] {
  const found = [...questions, ...general].flatMap(check);
  const errors = found.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new DataError(faultsByKind(errors));
  return problemsByKind(found);
}

// ---- asking

interface Work extends Pick<EvaluateOptions, 'signal'> {
  readonly answerer: Answerer;
  /** What computes the answers, where that is known. */
  readonly device?: string;
  readonly progress: { done: number; readonly total: number };
}

async function* judgeSets(
  set: EvalSet,
  work: Work,
  names: EvalResult['names'],
): AsyncGenerator<EvalEvent, EvalResult | undefined> {
  const questions = yield* judgeAll('questions', set.questions, work);
  const general = yield* judgeAll('general', set.general, work);
  if (questions.length === 0) return undefined;
  const results = {
    questions: setResult(questions),
    ...(general.length === 0 ? {} : { general: setResult(general, true) }),
  };
  const { done, total } = work.progress;
  const stopped = done < total ? { done, of: total } : undefined;
  return {
    verdict: verdictOf(results.questions, results.general, stopped),
    names,
    ...(work.device !== undefined && { device: work.device }),
    ...(stopped && { stopped }),
    ...results,
  };
}

const asking = ({ device, progress: { done, total } }: Work): PhaseEvent =>
  phase(
    `asking the questions without and with the adapter${device === undefined ? '' : ` on ${device}`}`,
    done,
    total,
  );

async function* judgeAll(
  set: JudgedEvent['set'],
  questions: readonly Question[],
  work: Work,
): AsyncGenerator<EvalEvent, JudgedQuestion[]> {
  const { answerer, signal, progress } = work;
  const all: JudgedQuestion[] = [];
  for (const group of chunks(questions, answerer.together ?? 1)) {
    if (signal?.aborted === true) break;
    yield asking(work);
    const [base, adapter] = [
      await judge(answerer, group, false),
      await judge(answerer, group, true),
    ];
    const judged = group.map((question, i) => ({ question, base: base[i], adapter: adapter[i] }));
    all.push(...judged);
    progress.done += group.length;
    for (const one of judged) yield { type: 'judged', set, judged: one };
  }
  if (progress.done === progress.total) yield asking(work);
  return all;
}

async function judge(
  answerer: Answerer,
  questions: readonly Question[],
  adapter: boolean,
): Promise<Judged[]> {
  const likelihoods = await answerer.likelihoods(questions, adapter);
  const asked = questions.filter(({ prompt }) => prompt.kind !== 'text');
  const said = await answerer.answers(asked, adapter);
  if (likelihoods.length !== questions.length || said.length !== asked.length)
    throw new InternalError(
      `${likelihoods.length} likelihoods and ${said.length} answers for ${questions.length} questions, ${asked.length} of them to be answered`,
    );
  const answers = new Map(asked.map((question, i) => [question, said[i]]));
  return questions.map((question, i) => {
    const [answer, likelihood] = [answers.get(question), likelihoods[i]];
    return {
      ...(answer === undefined ? {} : { answer, ...scoreAnswer(answer, question) }),
      ...(likelihood === undefined ? {} : { likelihood }),
    };
  });
}
