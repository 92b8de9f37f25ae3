import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { stringify } from 'yaml';
import { until } from '#libs/testing';
import { closedPort } from './ports.js';

export interface ActiveAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: 'pending' | 'firing';
  activeAt: string;
}

export interface Prometheus {
  url: string;
  alerts(): Promise<ActiveAlert[]>;
  query(expr: string): Promise<number[]>;
  /** @returns the health of each job's target: `up`, `down` or `unknown`. */
  targets(): Promise<Record<string, string>>;
  stop(): Promise<void>;
}

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const areInstalled = ['prometheus', 'promtool'].every(isInstalled);
if (!areInstalled) {
  process.stderr.write(
    'NOT TESTED: prometheus and promtool are not on the PATH. On Debian: apt-get install prometheus\n',
  );
}

export const describeWithPrometheus = areInstalled ? describe : describe.skip;

/** @throws Error with promtool's output, if it finds a fault. */
export function promtool(args: string[], input = ''): void {
  try {
    execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe', input });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`, { cause: error });
  }
}

/**
 * @param targets the URL of each job's target
 * @param rules the text of a rules file
 */
export async function startPrometheus(targets: Record<string, string>, rules: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-prometheus-'));
  const config = {
    global: { scrape_interval: '2s', scrape_timeout: '2s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: Object.entries(targets).map(([job, url]) => ({
      job_name: job,
      static_configs: [{ targets: [new URL(url).host] }],
    })),
  };
  await writeFile(join(folder, 'prometheus.yml'), stringify(config));
  await writeFile(join(folder, 'rules.yml'), rules);
  const listen = `127.0.0.1:${await closedPort()}`;
  const url = `http://${listen}`;
  const flags = {
    'config.file': join(folder, 'prometheus.yml'),
    'storage.tsdb.path': join(folder, 'data'),
    'web.listen-address': listen,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
  const read = async <T>(path: string): Promise<T> => {
    const { data } = (await (await fetch(url + path)).json()) as { data: T };
    return data;
  };
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('Prometheus is ready', isReady).catch((error: Error) => {
    child.kill('SIGKILL');
    throw new Error(`${error.message}\n${said}`, { cause: error });
  });
  return {
    url,
    alerts: async () => (await read<{ alerts: ActiveAlert[] }>('/api/v1/alerts')).alerts,
    async query(expr) {
      type Result = { result: { value: [number, string] }[] };
      const { result } = await read<Result>(`/api/v1/query?query=${encodeURIComponent(expr)}`);
      return result.map(({ value: [, value] }) => Number(value));
    },
    async targets() {
      type Target = { labels: { job: string }; health: string };
      const { activeTargets } = await read<{ activeTargets: Target[] }>('/api/v1/targets');
      return Object.fromEntries(activeTargets.map(({ labels, health }) => [labels.job, health]));
    },
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}
