import { readFile, writeFile } from 'node:fs/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { AppModule } from './app.module.js';
import { openApiDocument } from './openapi.js';

/**
 * Writes the committed copy of the OpenAPI document, or with `--check` compares it: a change to the interface
 * is then never an accident. Nothing is connected to: Nest only looks at the routes (preview mode).
 */
const COPY = 'docs/openapi.json';

/** Any values that pass will do: the document depends on none of them. */
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
const document = `${JSON.stringify(openApiDocument(app), null, 2)}\n`;

if (!process.argv.includes('--check')) {
  await writeFile(COPY, document);
} else if (document !== (await readFile(COPY, 'utf8').catch(() => ''))) {
  process.stderr.write(
    `${COPY} is not what the code says. If the interface was meant to change: npm run openapi\n`,
  );
  process.exitCode = 1;
}
