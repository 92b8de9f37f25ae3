import { join } from 'node:path';
import { CHECKOUT } from '../tools/checkout.js';
import { install } from '../tools/launcher/dependencies.mjs';
import { killContenders, type Surroundings } from './contenders.js';
import { startUpstream, type Upstream } from './rounds.js';
import { startServers } from './servers.js';

export function installPackages(): void {
  install(join(CHECKOUT, 'bench'), 'all');
}

export interface Prepared {
  surroundings: Surroundings;
  upstream: Upstream;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL, Redis and the stand-in for the provider. Ctrl-C stops them.
 *
 * @param statements whether PostgreSQL loads pg_stat_statements
 */
export async function prepare(statements = false): Promise<Prepared> {
  const servers = await startServers(statements);
  const upstream = await startUpstream();
  const stop = async () => {
    killContenders();
    upstream.stop();
    await servers.stop();
  };
  let stopping: Promise<void> | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The process may get a signal twice: from the terminal, and again from npm.
    process.on(signal, () => void (stopping ??= stop().finally(() => process.exit(130))));
  }
  return { surroundings: { servers, upstreamUrl: upstream.url }, upstream, stop };
}
