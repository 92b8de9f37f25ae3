/**
 * Writes the reference pages that differ from the code. `--check` only compares, so that the API does not
 * change by accident. Nest's preview mode reads the routes without opening connections.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { configurationMarkdown, parseConfig, signalsMarkdown } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { AppModule } from './app.module.js';
import { errorsMarkdown } from './error-list.js';
import { openApiDocument } from './openapi.js';
import { eventsMarkdown, restMarkdown } from './rest-reference.js';

/** The pages do not depend on these values. */
const config = parseConfig(
  {
    DATABASE_URL: 'postgres://nowhere/gangway',
    REDIS_URL: 'redis://nowhere',
    SEALING_KEYS: `none:${Buffer.alloc(32).toString('base64')}`,
    HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
    INTEGRATIONS: 'byzantine',
    INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
    INTEGRATION_BYZANTINE_BASE_URL: 'http://nowhere',
    INTEGRATION_BYZANTINE_PRIVATE_KEY: '01'.repeat(32),
    INTEGRATION_BYZANTINE_RP_ID: 'localhost',
    INTEGRATION_BYZANTINE_RP_NAME: 'Gangway',
    INTEGRATION_BYZANTINE_ORIGINS: 'http://localhost',
  },
  PROVIDERS,
);

const app = await NestFactory.create<NestFastifyApplication>(
  AppModule.forRoot(config),
  new FastifyAdapter(),
  {
    preview: true,
    logger: false,
  },
);
const document = openApiDocument(app);
const PAGES: Record<string, string> = {
  'docs/openapi.json': `${JSON.stringify(document, null, 2)}\n`,
  'docs/reference/rest.md': restMarkdown(document),
  'docs/reference/events.md': eventsMarkdown(document),
  'docs/reference/errors.md': errorsMarkdown(),
  'docs/reference/configuration.md': configurationMarkdown(PROVIDERS),
  'docs/reference/signals.md': signalsMarkdown(),
};

const isCheck = process.argv.includes('--check');
if (!isCheck) await mkdir('docs/reference', { recursive: true });
for (const [path, text] of Object.entries(PAGES)) {
  if (text === (await readFile(path, 'utf8').catch(() => ''))) continue;
  if (!isCheck) {
    await writeFile(path, text);
    process.stdout.write(`${path} has changed\n`);
  } else {
    process.stderr.write(
      `${path} differs from the code. If you changed the interface on purpose: npm run openapi\n`,
    );
    process.exitCode = 1;
  }
}
