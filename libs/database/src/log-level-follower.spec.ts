import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PinoLogger } from 'nestjs-pino';
import { pino } from 'pino';
import { LogLevelFollower } from './log-level-follower.js';
import type { ChangedLevel, LogLevels } from './log-levels.js';

const debugFor = (leftMs: number) => [{ module: 'default', level: 'debug', leftMs } as ChangedLevel];

describe('LogLevelFollower', () => {
  let nowMs = 0;
  let asked: PromiseWithResolvers<ChangedLevel[]>[];
  let follower: LogLevelFollower;
  const root = pino({ level: 'warn' }, { write: () => undefined });

  beforeEach(() => {
    jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
    jest.replaceProperty(PinoLogger, 'root', root);
    asked = [];
    const list = () => {
      const answer = Promise.withResolvers<ChangedLevel[]>();
      asked.push(answer);
      return answer.promise;
    };
    const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
    follower = new LogLevelFollower({ list } as unknown as LogLevels, clock);
  });

  afterEach(() => {
    follower.onApplicationShutdown();
    jest.restoreAllMocks();
  });

  it('begins no second read while one runs, and still lets levels expire on time', async () => {
    const first = follower.follow();
    asked[0]!.resolve(debugFor(1_000));
    await first;
    expect(root.level).toBe('debug');
    const hanging = follower.follow();
    nowMs += 2_000;
    void follower.follow();
    expect(asked).toHaveLength(2);
    expect(root.level).toBe('warn');
    asked[1]!.reject(new Error('away'));
    await expect(hanging).resolves.toBeUndefined();
  });

  it('does not apply levels that arrive after the stop', async () => {
    const late = follower.follow();
    follower.onApplicationShutdown();
    asked[0]!.resolve(debugFor(60_000));
    await late;
    expect(root.level).toBe('warn');
    await follower.follow();
    expect(asked).toHaveLength(1);
  });
});
