import { expect, it, jest } from '@jest/globals';
import { runCommand } from '../../support/run-command.js';

// Replicas start, lives end.
jest.setTimeout(240_000);

it('loses nothing while replicas die at every gap, and the network and upstream fail', async () => {
  const sizes = ['--callers', '8', '--services', '2', '--workers', '1'];
  const report = await runCommand('chaos/run.ts', '--seed', '7', '--kills', '6', '--seconds', '90', ...sizes);
  expect(report).toMatch(/ 0 violations, 0 faults/);
  // Something was broken, answers were lost, and onboardings still completed. How many, the machine decides.
  const figure = (pattern: RegExp) => Number(pattern.exec(report)?.[1]);
  expect(figure(/: (\d+) kills in/)).toBeGreaterThan(0);
  expect(figure(/(\d+) without a whole answer/)).toBeGreaterThan(0);
  expect(figure(/onboardings: .*completed (\d+)/)).toBeGreaterThan(0);
});

it('has an answer to any call in any order, and no illegal history', async () => {
  const report = await runCommand(
    'orders/run.ts',
    '--seed',
    '7',
    '--calls',
    '500',
    '--people',
    '12',
    // More at once than connections in the pool would be refused by a slow machine.
    '--parallel',
    '8',
  );
  expect(report).toMatch(/0 kinds of 5xx, 0 illegal histories, 0 faults/);
});
