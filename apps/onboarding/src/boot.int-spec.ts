import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { TEST_ENV, testDatabaseUrl, testRedisUrl } from '#libs/testing';

/** Runs a compiled app, and stops it as soon as it listens. */
async function boot(
  app: string,
  env: Record<string, string>,
): Promise<{ code: number | null; said: string }> {
  const main = fileURLToPath(new URL(`../../../dist/apps/${app}/src/main.js`, import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: {
      ...TEST_ENV,
      PORT: '0',
      WORKER_PORT: '0',
      DATABASE_URL: await testDatabaseUrl(),
      REDIS_URL: testRedisUrl(),
      ...(process.env['NODE_COMPILE_CACHE'] && { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += String(chunk);
    if (String(chunk).includes('listening on')) child.kill('SIGTERM');
  });
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return { code, said };
}

const SECRETS = ['tiny-secret', 'ff'.repeat(32), 'c2VjcmV0', TEST_ENV['OPS_PASSWORD']!];

describe.each(['onboarding', 'worker'])('%s does not start', (app) => {
  it('if settings are wrong; the error names each wrong setting and shows no secret', async () => {
    const { code, said } = await boot(app, {
      API_KEY: 'tiny-secret',
      SEALING_KEYS: 'k1:c2VjcmV0',
      DATABASE_URL: 'mysql://user:tiny-secret@host/x',
      EXPIRY_EVERY_MS: 'often',
    });
    expect(code).toBe(2);
    for (const variable of ['API_KEY', 'SEALING_KEYS', 'DATABASE_URL', 'EXPIRY_EVERY_MS']) {
      expect(said).toMatch(new RegExp(`^  ${variable}: .+ `, 'm'));
    }
    for (const secret of SECRETS) expect(said).not.toContain(secret);
    expect(said).not.toMatch(/^\s+at /m);
  });

  it('if PostgreSQL refuses the connection; the error names the variable and shows no password', async () => {
    const url = new URL(await testDatabaseUrl());
    url.password = 'tiny-secret';
    url.pathname = '/nowhere';
    const { code, said } = await boot(app, { DATABASE_URL: url.href });
    expect(code).toBe(1);
    expect(said).toMatch(/^gangway did not start: DATABASE_URL: .+$/m);
    for (const secret of SECRETS) expect(said).not.toContain(secret);
  }, 90_000);

  it.each([
    ['not below n', 'ff'.repeat(32)],
    ['zero', '00'.repeat(32)],
    ['too short', 'ff'.repeat(31)],
  ])(
    'if a signing key is %s; the error names the variable and shows no digit of the key',
    async (_, key) => {
      const { code, said } = await boot(app, { INTEGRATION_BYZANTINE_PRIVATE_KEY: key });
      expect(code).not.toBe(0);
      expect(code).not.toBeNull();
      expect(said).toContain('INTEGRATION_BYZANTINE_PRIVATE_KEY');
      expect(said).not.toContain(key);
      for (const secret of SECRETS) expect(said).not.toContain(secret);
    },
    90_000,
  );
});

describe.each(['onboarding', 'worker'])('%s starts', (app) => {
  it('at the address in HOST, and logs this address', async () => {
    const { code, said } = await boot(app, { HOST: '0.0.0.0', LOG_LEVEL: 'info' });
    expect([code, said]).toEqual([0, expect.stringContaining('listening on http://0.0.0.0:')]);
  }, 90_000);

  it('with a small young generation of the heap, which grows if many objects survive', async () => {
    const atExit = `
      import { getHeapSpaceStatistics } from 'node:v8';
      const isYoung = ({ space_name }) => space_name === 'new_space';
      const young = () => getHeapSpaceStatistics().find(isYoung).space_size;
      process.on('exit', () => {
        const before = young();
        globalThis.kept = Array.from({ length: 2_000_000 }, (_, n) => ({ n }));
        console.log('young generation', JSON.stringify([before, young()]));
      });`;
    const NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent(atExit)}`;
    const { said } = await boot(app, { LOG_LEVEL: 'info', NODE_OPTIONS });
    const [before, after] = JSON.parse(/young generation (.+)/.exec(said)![1]!) as number[];
    expect(before).toBeLessThan(5_000_000);
    expect(after).toBeGreaterThan(2 * before!);
  }, 90_000);
});
