import { Writable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { pinoHttp, type Options } from 'pino-http';
import { loggerOptions } from './logging.js';
import { currentJob, currentRequest, outsideRequests } from './signals/current-work.js';

const REQUEST = {
  traceId: 'trace-1',
  method: 'GET',
  url: '/v1/onboardings?userId=secret',
  address: '192.0.2.1',
  caller: 'shop',
};

function written(line: object, during: typeof REQUEST | null = REQUEST): Record<string, unknown> {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const { logger } = pinoHttp(loggerOptions({ LOG_LEVEL: 'info' }).pinoHttp as Options, sink);
  const say = () => logger.info(line, 'said');
  if (during) currentRequest.run(during, say);
  else say();
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}

it('the logger adds the request to each line during the request, but not the query of its URL', () => {
  const line = written({ step: 'init-otp' });
  expect(line).toMatchObject({ traceId: 'trace-1', address: '192.0.2.1', caller: 'shop', step: 'init-otp' });
  expect(line['req']).toEqual({ method: 'GET', path: '/v1/onboardings' });
  expect(line).not.toHaveProperty('url');
});

it('the logger adds the job to each line during the job', () => {
  const about = { queue: 'steps', job: 'verify-otp', onboardingId: 'one' };
  expect(currentJob.run(about, () => written({ integration: 'byzantine' }, null))).toMatchObject({
    ...about,
    integration: 'byzantine',
  });
});

it('the logger adds neither request nor job to a line about work for several requests', () => {
  const timer = () => written({ step: 'init-otp' }, null);
  const line = currentRequest.run(REQUEST, () =>
    currentJob.run({ queue: 'steps' }, () => outsideRequests(timer)),
  );
  expect(line).not.toHaveProperty('traceId');
  expect(line).not.toHaveProperty('queue');
});

it('the logger does not add the request to a line that already has a traceId', () => {
  const line = written({ traceId: 'trace-2' });
  expect(line).toMatchObject({ traceId: 'trace-2' });
  expect(line).not.toHaveProperty('req');
  expect(line).not.toHaveProperty('caller');
});
