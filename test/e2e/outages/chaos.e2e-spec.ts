import { expect, it, jest } from '@jest/globals';
import { runCommand } from '../../support/run-command.js';

jest.setTimeout(240_000);

it('the service loses nothing while replicas die at any point, and network and upstream fail', async () => {
  const sizes = ['--callers', '8', '--services', '2', '--workers', '1'];
  const report = await runCommand('chaos/run.ts', '--seed', '7', '--kills', '6', '--seconds', '90', ...sizes);
  expect(report).toMatch(/ 0 violations, 0 faults/);
  // The numbers depend on the machine.
  const figure = (pattern: RegExp) => Number(pattern.exec(report)?.[1]);
  expect(figure(/: (\d+) kills in/)).toBeGreaterThan(0);
  expect(figure(/(\d+) without a complete answer/)).toBeGreaterThan(0);
  expect(figure(/onboardings: .*completed (\d+)/)).toBeGreaterThan(0);
});

it('the service survives commands in a random order, and leaves only valid timelines', async () => {
  const report = await runCommand(
    'orders/run.ts',
    '--seed',
    '7',
    '--calls',
    '500',
    '--people',
    '12',
    // With more parallel calls, a slow machine may refuse some, because its connection pool is in use.
    '--parallel',
    '4',
  );
  expect(report).toMatch(/0 kinds of 5xx, 0 illegal histories, 0 faults/);
});
