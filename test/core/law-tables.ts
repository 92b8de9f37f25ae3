import { SIGNALS, STATES, STEPS, nextState, type Signal, type State, type StepName } from '#libs/onboarding';
import { FAILURE_CLASSES, type FailureClass } from '#libs/upstream';
import { decision } from './core.js';
import { KINDS } from './ends-table.js';
import { folded, grouped, indented, type Cell } from './words.js';

const PLACES: readonly { state: State; step: StepName | null }[] = STATES.flatMap(
  (state): { state: State; step: StepName | null }[] =>
    state === 'outcome_unknown'
      ? [
          { state, step: 'verify-otp' },
          { state, step: 'create-authenticators' },
        ]
      : [{ state, step: null }],
);

/** @returns the text of `tables/machine.txt`: the next state for each state and each signal. */
export function machineTable(): string {
  return PLACES.map(({ state, step }) => {
    const moves = ALL_SIGNALS.map(({ signal, answer }) => {
      const to = (lives: boolean) =>
        nextState({ state, step, sessionLives: lives, codeLives: lives, ...(answer && { answer }) }, signal);
      return { name: answer ? `late_answer ${answer}` : signal, lives: to(true), over: to(false) };
    });
    const led = moves
      .filter(({ lives, over }) => lives !== null || over !== null)
      .map(({ name, lives, over }) => {
        const what = name === 'send_gave_up' ? 'code' : 'session';
        return `  ${name}: ${lives === over ? lives : `${lives} while the ${what} lives, then ${over}`}`;
      });
    const refused = moves.filter(({ lives, over }) => lives === null && over === null);
    const names = refused
      .map(({ name }) => name)
      .join(', ')
      .replace(EVERY_LATE_ANSWER, 'any late_answer');
    return [step ? `${state} after ${step}` : state, ...led, indented(folded(`refused: ${names}`), 2)].join(
      '\n',
    );
  }).join('\n\n');
}

/** All signals. `late_answer` occurs once for each signal that it can carry. */
const ALL_SIGNALS: readonly { signal: Signal; answer?: Signal }[] = [
  ...SIGNALS.filter((signal) => signal !== 'late_answer').map((signal) => ({ signal })),
  ...SIGNALS.filter((signal) => signal !== 'late_answer').map(
    (answer) => ({ signal: 'late_answer', answer }) as const,
  ),
];

const EVERY_LATE_ANSWER = ALL_SIGNALS.flatMap(({ answer }) => (answer ? [`late_answer ${answer}`] : [])).join(
  ', ',
);

/**
 * Failure classes of a step's earlier calls, by title. The table shows the decision after one more failure.
 */
const EARLIER: Readonly<Record<string, readonly FailureClass[]>> = {
  'first call': [],
  'after not_sent': ['not_sent'],
  'after throttled': ['throttled'],
  'after unavailable': ['unavailable'],
  'after 2 unavailable': ['unavailable', 'unavailable'],
  'after 3 unavailable': Array(3).fill('unavailable'),
  'after 4 unavailable': Array(4).fill('unavailable'),
  'after no_answer': ['no_answer'],
  'after no_answer, not_sent': ['no_answer', 'not_sent'],
  'after unavailable, no_answer': ['unavailable', 'no_answer'],
};

const HOUR = 3_600_000;

/** @returns the first part of `tables/retry-law.txt`: the decision after each failed call. */
export function lawTable(): string {
  const dimensions = {
    provider: KINDS,
    earlier: Object.keys(EARLIER),
    sent: ['sent', 'not sent'],
    time: ['time is left', 'no time is left'],
  };
  return STEPS.flatMap((step) =>
    FAILURE_CLASSES.map((failure) => {
      const cells: Cell[] = [];
      for (const provider of dimensions.provider)
        for (const earlier of dimensions.earlier)
          for (const sent of dimensions.sent)
            for (const time of dimensions.time) {
              const calls = [...EARLIER[earlier]!, failure];
              const { type } = decision({
                ...circumstancesOf(step, calls),
                provider,
                sent: sent === 'sent',
                timeLeftMs: time === 'time is left' ? HOUR : 0,
              });
              cells.push({ at: { provider, earlier, sent, time }, text: type });
            }
      return `${step}, ${failure}\n${grouped(dimensions, cells)}`;
    }),
  ).join('\n\n');
}

const TOLD: Readonly<Record<string, number | undefined>> = {
  'no Retry-After': undefined,
  'Retry-After 7 s': 7_000,
  'Retry-After 600 s': 600_000,
};
const COOLDOWN: Readonly<Record<string, number>> = { 'no cooldown': 0, 'cooldown 45 s': 45_000 };
const CALLS = [1, 2, 3, 5, 6, 40];
const LEAST = 0;
const MOST = 1 - Number.EPSILON;

/** @returns the shortest and the longest wait before a retry, by the number of the failed call, as text. */
export function waitsTable(): string {
  const dimensions = {
    step: STEPS,
    failure: FAILURE_CLASSES,
    told: Object.keys(TOLD),
    cooldown: Object.keys(COOLDOWN),
  };
  const cells: Cell[] = [];
  for (const step of dimensions.step)
    for (const failure of dimensions.failure)
      for (const told of dimensions.told)
        for (const cooldown of dimensions.cooldown) {
          const waits = CALLS.map((calls) => {
            const [least, most] = [LEAST, MOST].map((random) => {
              const at = { ...circumstancesOf(step, [failure]), calls };
              const terms = { retryAfterMs: TOLD[told], cooldownLeftMs: COOLDOWN[cooldown]! };
              const decided = decision({ ...at, ...terms }, random);
              return decided.type === 'retry' ? decided.delayMs : null;
            });
            if (least === null) return `call ${calls}: no retry`;
            return `call ${calls}: ${least === most ? least : `${least} to ${most}`} ms`;
          });
          cells.push({ at: { step, failure, told, cooldown }, text: waits.join('\n') });
        }
  return grouped(dimensions, cells);
}

/** @returns the decision for the shortest time left that allows a retry, and for one millisecond less. */
export function lastMomentsTable(): string {
  const decided = (timeLeftMs: number) =>
    decision({ ...circumstancesOf('verify-otp', ['not_sent']), timeLeftMs }).type;
  return [10_250, 10_249].map((left) => `${left} ms left: ${decided(left)}`).join('\n');
}

function circumstancesOf(step: StepName, calls: readonly FailureClass[]) {
  const count = (failure: FailureClass) => calls.filter((each) => each === failure).length;
  return {
    provider: 'byzantine',
    step,
    failure: calls.at(-1)!,
    sent: true,
    calls: calls.length,
    unavailableCount: count('unavailable'),
    noAnswerCount: count('no_answer'),
    inDoubt:
      step !== 'init-otp' &&
      calls.slice(0, -1).some((each) => each === 'unavailable' || each === 'no_answer'),
    timeLeftMs: HOUR,
    retryAfterMs: undefined,
    cooldownLeftMs: 0,
  };
}
