/**
 * Reads a variable that tools/test-servers.ts sets.
 *
 * @throws Error if jest runs without `npm test`
 */
export function fromTestRun(variable: string): string {
  const value = process.env[variable];
  if (!value) {
    throw new Error(
      `${variable} is not set: run this test with npm test, npm run test:int or npm run test:e2e.`,
    );
  }
  return value;
}

/** E.g. `mb2k1x9a4f_2`. jest counts workers from 1. */
export function workerName(separator: string): string {
  return `${fromTestRun('GANGWAY_TEST_RUN')}${separator}${process.env['JEST_WORKER_ID'] ?? '1'}`;
}
