import { expect, it, jest } from '@jest/globals';
import { runCommand } from '../../support/run-command.js';

// Replicas must start, and lives must end.
jest.setTimeout(240_000);

it('loses nothing while replicas die at every point, and the network and upstream fail', async () => {
  const sizes = ['--callers', '8', '--services', '2', '--workers', '1'];
  const report = await runCommand('chaos/run.ts', '--seed', '7', '--kills', '6', '--seconds', '90', ...sizes);
  expect(report).toMatch(/ 0 violations, 0 faults/);
  // Something was broken, answers were lost, and onboardings completed. The counts depend on the machine.
  const figure = (pattern: RegExp) => Number(pattern.exec(report)?.[1]);
  expect(figure(/: (\d+) kills in/)).toBeGreaterThan(0);
  expect(figure(/(\d+) without a complete answer/)).toBeGreaterThan(0);
  expect(figure(/onboardings: .*completed (\d+)/)).toBeGreaterThan(0);
});

it('answers any call in any order, and leaves no illegal history', async () => {
  const report = await runCommand(
    'orders/run.ts',
    '--seed',
    '7',
    '--calls',
    '500',
    '--people',
    '12',
    // A slow machine would refuse more calls at once than the pool has connections.
    '--parallel',
    '8',
  );
  expect(report).toMatch(/0 kinds of 5xx, 0 illegal histories, 0 faults/);
});
