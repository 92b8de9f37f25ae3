/**
 * What `npm test` hands to each worker of jest about the servers it brought up.
 *
 * @param variable set by tools/test-servers.ts
 * @throws Error where jest was started without it
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

/** Tells apart what the workers of one run make, e.g. `mb2k1x9a4f_2`. jest counts its workers from 1. */
export function workerName(separator: string): string {
  return `${fromTestRun('GANGWAY_TEST_RUN')}${separator}${process.env['JEST_WORKER_ID'] ?? '1'}`;
}
