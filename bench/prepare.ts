import { join } from 'node:path';
import { CHECKOUT } from '../tools/checkout.js';
import { install } from '../tools/launcher/dependencies.mjs';
import { killContenders, type Surroundings } from './contenders.js';
import { startUpstream, type Upstream } from './rounds.js';
import { startServers } from './servers.js';

/** Installs the packages of the references, the first time and after a change of the lock file. */
export function installPackages(): void {
  install(join(CHECKOUT, 'bench'), 'all');
}

export interface Prepared {
  surroundings: Surroundings;
  upstream: Upstream;
  stop(): Promise<void>;
}

/**
 * Brings up PostgreSQL, Redis and the provider's stand-in. Ctrl-C takes them down again.
 *
 * @param statements whether PostgreSQL also counts by statement
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
    // npm passes a signal on that the terminal has sent already.
    process.on(signal, () => void (stopping ??= stop().finally(() => process.exit(130))));
  }
  return { surroundings: { servers, upstreamUrl: upstream.url }, upstream, stop };
}
