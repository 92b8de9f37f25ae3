import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { troubleOf } from './redis-trouble.js';

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' });
const system = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.1:6379`), { code });

describe('the description of an error of Redis', () => {
  it.each([
    ["READONLY You can't write against a read only replica.", 'READONLY', true],
    [
      "READONLY You can't write against a read only replica. script: 3b, on @user_script:1.",
      'READONLY',
      true,
    ],
    ['ERR Error running script (call to f_3b): @user_script:1: -READONLY You can’t write', 'READONLY', true],
    [
      'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
      'UNBLOCKED',
      true,
    ],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'MASTERDOWN', true],
    ['ERR Error running script: @user_script: 1: -MASTERDOWN Link with MASTER is down', 'MASTERDOWN', true],
    ['CLUSTERDOWN The cluster is down', 'CLUSTERDOWN', true],
    ['MOVED 3999 127.0.0.1:6381', 'MOVED', true],
    ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', true],
    ['NOAUTH Authentication required.', 'NOAUTH', true],
    ['Ready check failed: NOAUTH Authentication required.', 'NOAUTH', true],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'WRONGPASS', false],
    ["NOPERM User default has no permissions to run the 'set' command", 'NOPERM', false],
    ['MISCONF Redis is configured to save RDB snapshots, but is unable to persist', 'MISCONF', false],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM', false],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 3b, on @user_script:1.", 'OOM', false],
    ['LOADING Redis is loading the dataset in memory', 'LOADING', false],
    ['BUSY Redis is busy running a script.', 'BUSY', false],
    ['ERR max number of clients reached', 'maxclients', false],
    ['ERR something new, with an argument', 'ERR', false],
  ])('%s', (message, code, elsewhere) => {
    const trouble = troubleOf(reply(message));
    expect(trouble).toMatchObject({ refused: true, elsewhere });
    expect(trouble.words).toContain(`(${code}`);
    expect(trouble.words).not.toContain('argument');
  });

  it.each(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT'])(
    'says for %s that Redis cannot be reached, not that it refuses writes',
    (code) => {
      expect(troubleOf(system(code))).toEqual({
        words: `cannot be reached (${code})`,
        refused: false,
        elsewhere: false,
      });
    },
  );

  it('says that the connection is lost, without the words of ioredis', async () => {
    const redis = new Redis('redis://127.0.0.1:1', { maxRetriesPerRequest: 0, retryStrategy: () => 60_000 });
    redis.on('error', () => undefined);
    const error = await redis.ping().catch((reason: Error) => reason);
    redis.disconnect();
    expect(troubleOf(error as Error)).toEqual({
      words: 'cannot be reached (the connection is lost)',
      refused: false,
      elsewhere: false,
    });
  });
});
