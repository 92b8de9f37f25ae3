import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from '#libs/testing';
import { unique, type Canary } from './canary.js';
import { withPassword } from './roles.js';
import { runToEnd } from './run-to-end.js';

const PRELOAD = new URL('crash-on-signal.mjs', import.meta.url).href;
export const CRASHES = ['exception', 'rejection', 'rejection of no error'] as const;

/** Starts the service with malformed secrets, and with secrets that a server refuses. */
export async function badBoots(canary: Canary): Promise<void> {
  const { LOG_LEVEL: _, ...env } = canary.story.env;
  // The secret can stand for an id, a name or a host. The test later searches for its beginning.
  const made = (secret = unique().replace(/\W/g, '').toLowerCase()): string => {
    canary.secret('value at boot', secret.slice(0, 24));
    return secret.slice(0, 30);
  };
  const kept = (name: string) => ['INTEGRATIONS', 'NODE_ENV'].includes(name) || name.endsWith('_PROVIDER');
  const spoilt = (spoil: (name: string) => string) =>
    Object.fromEntries(Object.entries(env).map(([name, value]) => [name, kept(name) ? value : spoil(name)]));
  const boots = [
    spoilt(() => made(unique('bad value'))),
    spoilt(() => made()),
    spoilt((name) => (name === 'SEALING_KEYS' ? `${made()}:AAAA` : `https://${made()}.example/path`)),
    {
      ...env,
      INTEGRATION_BYZANTINE_ORIGINS: `https://${made()}.example`,
      INTEGRATION_BYZANTINE_RP_ID: made(),
    },
    { ...env, INTEGRATIONS: made(unique('A B')) },
    { ...env, NODE_ENV: 'production' },
  ];
  const ends = boots.map((boot) => runToEnd('onboarding', { LOG_LEVEL: 'debug', ...boot }));
  for (const { code, said } of await Promise.all(ends)) {
    if (code === 0 || code === null) throw new Error(`it booted, or hung (${code}): ${said}`);
    canary.put('output of a boot that failed', said);
  }
  // Redis refuses this password. The service keeps running, and reports it.
  const password = unique();
  canary.secret('Redis password', password);
  const refused = await canary.story.startProcess('onboarding', {
    REDIS_URL: withPassword(env['REDIS_URL']!, 'canary-unknown', password),
    LOG_LEVEL: 'debug',
  });
  await until(
    'the service reports Redis as down',
    async () => {
      const text = await (await fetch(`${refused.url}/health/ready`)).text();
      canary.put('output of a boot that failed', text);
      return /"redis":\{"status":"down"/i.test(text);
    },
    20_000,
  );
  await refused.kill();
  canary.put('output of a boot that failed', refused.said);
}

/** Records the output of crashing services, and one diagnostic report of Node.js. */
export async function crashes(canary: Canary): Promise<Map<string, { code: number | string; said: string }>> {
  const ends = new Map<string, { code: number | string; said: string }>();
  const start = (env: Record<string, string>, ...flags: string[]) =>
    canary.story.startProcess('onboarding', {
      NODE_OPTIONS: flags.join(' '),
      LOG_LEVEL: 'debug',
      ...env,
    });
  const crash = async (way: string) => {
    const app = await start({ CRASH_BY: way }, `--import=${PRELOAD}`);
    const code = await app.dieOf('SIGUSR2');
    ends.set(way, { code, said: app.said });
    canary.put('crash output', app.said);
  };
  await Promise.all(CRASHES.map(crash));
  const folder = await mkdtemp(join(tmpdir(), 'gangway-canary-'));
  try {
    const app = await start({}, '--report-on-signal', `--report-directory=${folder}`);
    app.signal('SIGUSR2');
    await until(
      'the report is written',
      async () => {
        const [file] = await readdir(folder);
        const report = file === undefined ? '' : await readFile(join(folder, file), 'utf8');
        if (!report.trimEnd().endsWith('}')) return false;
        canary.put("Node's diagnostic report", report);
        return true;
      },
      20_000,
    );
    const code = await app.dieOf('SIGABRT');
    ends.set('SIGABRT', { code, said: app.said });
    canary.put('crash output', app.said);
  } finally {
    await rm(folder, { recursive: true });
  }
  return ends;
}

export async function processTitles(canary: Canary): Promise<void> {
  for (const { pid } of [canary.service, canary.worker]) {
    if (process.platform === 'linux') {
      for (const file of ['cmdline', 'comm', 'status']) {
        canary.put('process title and command line', await readFile(`/proc/${pid}/${file}`, 'utf8'));
      }
    } else {
      const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'comm=,args=', '-p', String(pid)]);
      canary.put('process title and command line', stdout);
    }
  }
}
