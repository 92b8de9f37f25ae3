import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, expect, it, jest } from '@jest/globals';
import { PinoLogger } from 'nestjs-pino';
import type { Health } from './health.js';
import { currentRequest } from './signals/current-work.js';
import { RequestLog } from './request-log.js';

afterEach(() => void jest.restoreAllMocks());

it('the request log writes 60 lines of one kind a minute, and one line that counts the omitted ones', () => {
  let end = () => {};
  // Like a real timer, this timer runs in the async context in which it was set.
  jest.spyOn(globalThis, 'setTimeout').mockImplementation((work) => {
    end = AsyncLocalStorage.bind(work as () => void);
    return { unref: () => undefined } as unknown as NodeJS.Timeout;
  });
  const lines: [message: string, request: unknown][] = [];
  const info = (_line: object, message: string) => void lines.push([message, currentRequest.getStore()]);
  Object.assign(PinoLogger, { root: { info, error: info } });
  const log = new RequestLog({ draining: false } as Health);
  const request = { traceId: 'one', method: 'GET', url: '/', address: '192.0.2.1' };
  currentRequest.run(request, () => {
    for (let n = 0; n < 62; n++) log.problem({ traceId: 'one', status: 401, code: 'unauthenticated' });
  });
  expect(lines).toHaveLength(60);
  end();
  expect(lines.at(-1)).toEqual(['and 2 more: 401 unauthenticated', undefined]);
});
