import { expect, it, jest } from '@jest/globals';
import { runCommand } from '../../support/run-command.js';

jest.setTimeout(240_000);

it('the service answers random requests as its OpenAPI document says, and never with a 5xx', async () => {
  // With more parallel requests, some may wait too long for a connection on a slow machine.
  const sizes = ['--requests', '700', '--parallel', '6'];
  const report = await runCommand('fuzz/run.ts', '--seed', '7', ...sizes);
  expect(report).toMatch(/: (6[89]\d|700) requests in .+ and 26 raw requests/);
  expect(report).toMatch(/0 kinds of 5xx, 0 faults/);
});
