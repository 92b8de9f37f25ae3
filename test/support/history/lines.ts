import type { OnboardingHistory } from './history.js';

/** Prints events, upstream calls and answers in order of time. */
export function story({ row, events, calls, answers }: OnboardingHistory): string[] {
  const lines = [
    ...events.map(({ at, seq, type, actor, data }) => ({
      at,
      line: `#${seq} ${type} (${actor}) ${json(data)}`,
    })),
    ...calls.flatMap(({ attempt, step, arrivedAt, answeredAt, answer, effect, otpId }) => [
      {
        at: arrivedAt,
        line: `     → ${step} ${attempt} arrives ${otpId ?? ''} ${effect ? json(effect) : 'no effect'}`,
      },
      { at: answeredAt ?? Infinity, line: `     ← ${step} ${attempt} answered ${answer}` },
    ]),
    ...answers.map(({ at, what, key, status, code, state, version, attemptsLeft, replayed }) => {
      const answer = code ?? `${state} v${version} left ${attemptsLeft}`;
      const again = replayed ? ' (again)' : '';
      return { at, line: `          ${what} ${key ?? ''}: ${status} ${answer}${again}` };
    }),
  ];
  lines.sort((a, b) => a.at - b.at);
  return [...lines.map(({ at, line }) => `${time(at)} ${line}`), `row: ${json(row)}`];
}

const json = (value: unknown) => JSON.stringify(value);
const time = (at: number) =>
  Number.isFinite(at) ? new Date(at).toISOString().slice(11, 23) : 'never       ';
