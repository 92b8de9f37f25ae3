import { expect, it, jest } from '@jest/globals';
import { BoundedLog } from './bounded-log.js';

it('the bounded log writes a text once per period, ignoring its ids, and counts repetitions', () => {
  jest.useFakeTimers();
  try {
    const lines: string[] = [];
    const logger = { warn: (_fields: object, line: string) => lines.push(line) };
    const log = new BoundedLog(logger as never, 1_000);
    for (let n = 0; n < 500; n++) log.warn({}, `job 0193e2b4-${n} was not queued`);
    log.warn({}, 'another thing');
    expect(lines).toEqual(['job 0193e2b4-0 was not queued', 'another thing']);
    jest.advanceTimersByTime(1_000);
    log.warn({}, 'job 0193e2b4-9 was not queued');
    expect(lines[2]).toBe('job 0193e2b4-9 was not queued (and 499 times more since the last such line)');
  } finally {
    jest.useRealTimers();
  }
});

it('the bounded log remembers at most fifty texts', () => {
  const lines: string[] = [];
  const log = new BoundedLog({ warn: (_fields: object, line: string) => lines.push(line) } as never, 1e9);
  const name = (n: number) => String.fromCharCode(97 + (n % 26), 103 + Math.floor(n / 26)).repeat(3);
  for (let n = 0; n < 51; n++) log.warn({}, name(n));
  log.warn({}, name(50));
  expect(lines).toHaveLength(51);
  log.warn({}, name(0));
  expect(lines).toHaveLength(52);
});

it('the bounded log keeps the count of a text that repeats among fifty others', () => {
  jest.useFakeTimers();
  try {
    const lines: string[] = [];
    const log = new BoundedLog({ warn: (_fields: object, line: string) => lines.push(line) } as never, 1_000);
    const name = (n: number) => String.fromCharCode(97 + (n % 26), 103 + Math.floor(n / 26)).repeat(3);
    for (let n = 0; n < 60; n++) {
      log.warn({}, 'Redis refuses writes');
      log.warn({}, name(n));
    }
    expect(lines.filter((line) => line.startsWith('Redis'))).toHaveLength(1);
    jest.advanceTimersByTime(1_000);
    log.warn({}, 'Redis refuses writes');
    expect(lines.at(-1)).toBe('Redis refuses writes (and 59 times more since the last such line)');
  } finally {
    jest.useRealTimers();
  }
});
