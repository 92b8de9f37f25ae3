import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import type { AppProcess } from '../../support/app-process.js';
import { gangway } from '../../support/command-line.js';
import { Story } from '../../support/story.js';

const [DEBUG, INFO] = [20, 30];

interface Line {
  level: number;
  context: string;
  route?: string;
  job?: string;
  levels?: Record<string, string>;
}

let story: Story;
let service: AppProcess;
let worker: AppProcess;
beforeAll(async () => {
  story = await Story.begin({ service: false, worker: false, proxied: ['DATABASE_URL'] });
  [service, worker] = await Promise.all([story.startProcess('onboarding'), story.startProcess('worker')]);
});
afterAll(() => story.end());

const linesOf = (app: AppProcess) =>
  app.said.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
const debugLines = (app: AppProcess) => linesOf(app).filter(({ level }) => level === DEBUG);
const lastChange = (app: AppProcess) => linesOf(app).findLast(({ levels }) => levels !== undefined)?.levels;

const follows = (app: AppProcess, levels: Record<string, string>) =>
  until(
    `${JSON.stringify(levels)} is followed`,
    () => JSON.stringify(lastChange(app)) === JSON.stringify(levels),
  );

describe('a log level that an operator changes', () => {
  it('of one module applies to this module in service and worker, until it is reset', async () => {
    const set = await gangway(story, 'logs', 'level', 'RequestLog', 'debug', '--for', '10m');
    expect(set).toMatchObject({ code: 0, err: '' });
    await gangway(story, 'logs', 'level', 'jobrunner', 'debug');
    await Promise.all(
      [service, worker].map((app) => follows(app, { JobRunner: 'debug', RequestLog: 'debug' })),
    );
    await story.sent();
    await until(
      'both write debug lines',
      () => debugLines(service).length > 0 && debugLines(worker).length > 0,
    );
    expect(new Set(debugLines(service).map(({ context }) => context))).toEqual(new Set(['RequestLog']));
    expect(new Set(debugLines(worker).map(({ context }) => context))).toEqual(new Set(['JobRunner']));
    expect(debugLines(worker)[0]).toMatchObject({ job: expect.any(String), queue: expect.any(String) });

    expect((await gangway(story, 'logs', 'levels')).out).toMatch(/JobRunner +debug .*\n?RequestLog +debug/);
    expect((await gangway(story, 'logs', 'reset', 'JobRunner')).out).toContain('JobRunner');
    await follows(worker, { RequestLog: 'debug' });
    const before = debugLines(worker).length;
    await story.sent();
    expect(debugLines(worker)).toHaveLength(before);
  });

  it('applies to a process that starts later', async () => {
    const another = await story.startProcess('onboarding');
    await follows(another, { RequestLog: 'debug' });
    await story.call('GET', '/v1/onboardings', undefined, {}, another.url);
    await until('it writes a debug line', () => debugLines(another).length > 0);
    expect(await another.stop()).toBe(0);
  });

  it('of one module can make this module quieter than the others', async () => {
    await gangway(story, 'logs', 'level', 'RequestLog', 'silent');
    await follows(service, { RequestLog: 'silent' });
    const written = () =>
      linesOf(service).filter(({ context, level }) => context === 'RequestLog' && level >= INFO);
    const before = written().length;
    expect((await story.get('nothing')).status).toBe(400);
    await gangway(story, 'logs', 'reset');
    await follows(service, {});
    expect((await story.get('nothing')).status).toBe(400);
    await until('the next problem is logged', () => written().length > before);
    expect(written()).toHaveLength(before + 1);
  });

  it('can be set for all modules without a level of their own', async () => {
    await gangway(story, 'logs', 'level', 'default', 'debug');
    await follows(service, { default: 'debug' });
    await story.sent();
    await until('other modules write', () =>
      debugLines(service).some(({ context }) => context === 'Settlement'),
    );
    await gangway(story, 'logs', 'reset', 'default');
    await follows(service, {});
  });

  it('stays while PostgreSQL is down, and still expires on time', async () => {
    await gangway(story, 'logs', 'level', 'RequestLog', 'debug', '--for', '8s');
    await follows(service, { RequestLog: 'debug' });
    const proxy = await story.proxyTo('DATABASE_URL');
    await proxy.refuse();
    try {
      const before = debugLines(service).length;
      await fetch(`${service.url}/health/live`);
      await until('a debug line comes', () => debugLines(service).length > before);
      await follows(service, {});
    } finally {
      await story.mend();
    }
  });

  it('is audited', async () => {
    const { out } = await gangway(story, 'audit', 'list', '--json');
    const { items } = JSON.parse(out) as { items: { action: string; target: string; data: object }[] };
    expect(items).toContainEqual(
      expect.objectContaining({
        action: 'log_level_changed',
        target: 'RequestLog',
        data: { level: 'silent', until: expect.any(String) },
      }),
    );
    expect(items).toContainEqual(
      expect.objectContaining({
        action: 'log_levels_reset',
        target: null,
        data: { modules: ['RequestLog'] },
      }),
    );
  });
});

it.each([
  [['level', 'StepRuner', 'debug'], 'there is no module "StepRuner". Similar: StepRunner,'],
  [['level', 'StepRunner', 'loud'], 'there is no level "loud". Similar: trace, debug, info,'],
  [['level', 'StepRunner', 'debug', '--for', '30d'], '--for takes a duration from 1s to 7d'],
  [['level', 'StepRunner'], 'the command takes 2 word(s)'],
  [['level', 'Audit', 'silent'], 'Audit writes lines of the audit, so its level is at most info.'],
  [['level', 'operatoraudit', 'warn'], 'OperatorAudit writes lines of the audit'],
  [['level', 'default', 'error'], 'default writes lines of the audit'],
  [['reset', 'Stepp'], 'there is no module "Stepp". Similar: Steps'],
])('the command gangway logs refuses the arguments %j', async (args, message) => {
  const { code, err } = await gangway(story, 'logs', ...args);
  expect(code).toBe(2);
  expect(err).toContain(message);
});
