import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { letHeapGrow } from '#libs/kernel';
import { CONFIG, ConfigError, type Config, type ConsoleConfig } from './config.js';
import { crashWithoutSecrets } from './crash.js';
import { Health } from './health.js';
import { Log } from './signals/log.js';

export interface Serving<C> {
  read(env: NodeJS.ProcessEnv): C;
  create(config: C): Promise<NestFastifyApplication>;
  port(config: C): number;
  started?(app: NestFastifyApplication): void | Promise<void>;
}

/**
 * Runs an app until `SIGTERM` or `SIGINT`. Then the app accepts no new work, finishes the running work, and
 * exits with 0, or with 1 if this takes longer than `DRAIN_TIMEOUT_MS`.
 */
export async function serve<C extends ConsoleConfig>({
  read,
  create,
  port,
  started,
}: Serving<C>): Promise<void> {
  crashWithoutSecrets();
  const config = configOrExit(read);
  let app: NestFastifyApplication;
  try {
    app = await create(config);
    await app.listen(port(config), config.HOST);
    await started?.(app);
    letHeapGrow();
  } catch (error) {
    process.stderr.write(
      `gangway did not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(1);
  }
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  const { port: bound } = app.getHttpServer().address() as AddressInfo;
  new Log('Serve').info({}, `listening on http://${host}:${bound}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(app));
}

async function stop(app: NestFastifyApplication): Promise<void> {
  const { DRAIN_TIMEOUT_MS, DRAIN_NOTICE_MS } = app.get<Config>(CONFIG);
  const health = app.get(Health);
  setTimeout(() => process.exit(1), DRAIN_TIMEOUT_MS).unref();
  health.drain();
  await sleep(DRAIN_NOTICE_MS);
  health.close();
  await app.close();
  process.exit(0);
}

function configOrExit<C>(read: (env: NodeJS.ProcessEnv) => C): C {
  try {
    return read(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`gangway did not start: ${error.message}\n`);
    process.exit(2);
  }
}
