import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import type { StartedTestContainer } from 'testcontainers';
import { migrate } from '#libs/database';
import { testDatabaseUrl } from '#libs/testing';
import { RestoredStory } from '../support/restored-story.js';
import { Story } from '../support/story.js';

jest.setTimeout(180_000);

/** A PostgreSQL server with programs of a suitable version, such as `pg_dump`. */
interface Server {
  /** For the service and for this test. */
  url: string;
  /** For `pg_dump` and the other programs. */
  urlOfPrograms: string;
  folder: string;
  run(program: string, ...args: string[]): Promise<string>;
  stop(): Promise<unknown>;
}

const PASSWORD = 'backup';

async function inContainer(image: string): Promise<Server | undefined> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers');
  const answers = await getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
  if (!answers) return undefined;
  const container: StartedTestContainer = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_USER: 'gangway', POSTGRES_PASSWORD: PASSWORD })
    .withCommand(['postgres', '-c', 'fsync=off'])
    .withExposedPorts(5432)
    .start();
  const host = `${container.getHost()}:${container.getMappedPort(5432)}`;
  const url = `postgres://gangway:${PASSWORD}@${host}/gangway`;
  return {
    url,
    urlOfPrograms: `postgres://gangway:${PASSWORD}@127.0.0.1:5432/gangway`,
    folder: '/tmp',
    async run(...command) {
      const { exitCode, output } = await container.exec(command);
      if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}: ${output}`);
      return output;
    },
    stop: () => container.stop({ removeVolumes: true }),
  };
}

/** @returns the PostgreSQL of this run; undefined if `pg_dump` on the PATH is missing or older. */
async function onThisMachine(): Promise<Server | undefined> {
  const exec = promisify(execFile);
  const url = await testDatabaseUrl();
  const { stdout } = await exec('pg_dump', ['--version']).catch(() => ({ stdout: '' }));
  const [version] = /\d+/.exec(stdout) ?? ['0'];
  const [{ server }] = await sql<{ server: number }>(
    url,
    `SELECT current_setting('server_version_num')::int / 10000 AS server`,
  );
  if (Number(version) < server) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'gangway-backup-'));
  return {
    url,
    urlOfPrograms: url,
    folder,
    run: async (program, ...args) => (await exec(program, args)).stdout,
    stop: () => rm(folder, { recursive: true }),
  };
}

async function sql<Row>(url: string, text: string): Promise<Row[] & [Row]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[] & [Row];
  } finally {
    await client.end();
  }
}

const server = (await inContainer('postgres:17')) ?? (await onThisMachine());

function backups({ url: sourceUrl, urlOfPrograms, folder, run, stop }: Server): void {
  const owner = `gangway_restored_${process.pid}`;
  const source = new URL(sourceUrl).pathname.slice(1);
  let restored: RestoredStory;

  const dump = (name: string, ...args: string[]) =>
    run('pg_dump', '--dbname', urlOfPrograms, '--file', `${folder}/${name}`, ...args);
  const restore = (to: string, name: string, ...args: string[]) =>
    run('pg_restore', '--exit-on-error', '--dbname', to, ...args, `${folder}/${name}`);
  const psql = (to: string, name: string) =>
    run('psql', '-v', 'ON_ERROR_STOP=1', '-q', '-d', to, '-f', `${folder}/${name}`);

  /** Creates a database whose owner is not a superuser. */
  async function create(name: string) {
    const full = `${source}_${name}`;
    await sql(sourceUrl, `CREATE DATABASE ${escapeIdentifier(full)} OWNER ${owner} TEMPLATE template0`);
    const asOwner = { name: full, user: owner };
    return {
      url: changed(sourceUrl, asOwner),
      urlOfPrograms: changed(urlOfPrograms, asOwner),
      urlOfSuperuser: changed(urlOfPrograms, { name: full }),
    };
  }

  async function createMigrated(name: string) {
    const made = await create(name);
    await migrate(made.url);
    return made;
  }

  beforeAll(async () => {
    await migrate(sourceUrl);
    await sql(sourceUrl, `CREATE ROLE ${owner} LOGIN PASSWORD '${PASSWORD}'`);
    restored = new RestoredStory(await Story.begin({ databaseUrl: sourceUrl }));
    await restored.act();
    const dataOnly = ['--data-only', '--exclude-table=migrations'];
    await dump('full.dump', '--format=custom');
    await dump('full.folder', '--format=directory', '--jobs=4');
    await dump('data.dump', '--format=custom', ...dataOnly);
    await dump('data.folder', '--format=directory', '--jobs=4', ...dataOnly);
    await dump('data.sql', ...dataOnly);
    await dump('inserts.sql', '--inserts', ...dataOnly);
    await restored.moveOnAndStop();
  });

  afterAll(async () => {
    await restored?.story.end();
    const copies = await sql<{ name: string }>(
      sourceUrl,
      `SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${source}_')`,
    );
    for (const { name } of copies) await sql(sourceUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    await sql(sourceUrl, `DROP ROLE IF EXISTS ${owner}`);
    await stop();
  });

  const WAYS: Record<string, () => Promise<string>> = {
    'a full dump, by four jobs': async () => {
      const to = await create('jobs');
      await restore(to.urlOfPrograms, 'full.folder', '--no-owner', '--no-privileges', '--jobs=4');
      return to.url;
    },
    'data only, in one transaction': async () => {
      const to = await createMigrated('data');
      await restore(to.urlOfPrograms, 'data.dump', '--single-transaction');
      return to.url;
    },
    'data only, by four jobs': async () => {
      const to = await createMigrated('data_jobs');
      await restore(to.urlOfPrograms, 'data.folder', '--jobs=4');
      return to.url;
    },
    'the data of a full dump, with triggers disabled': async () => {
      const to = await createMigrated('triggers');
      await sql(to.url, 'TRUNCATE migrations');
      await restore(to.urlOfSuperuser, 'full.dump', '--data-only', '--disable-triggers');
      return to.url;
    },
    'data only, as SQL with COPY': async () => {
      const to = await createMigrated('copy');
      await psql(to.urlOfPrograms, 'data.sql');
      return to.url;
    },
    'data only, as SQL with INSERT': async () => {
      const to = await createMigrated('inserts');
      await psql(to.urlOfPrograms, 'inserts.sql');
      return to.url;
    },
  };

  it.each(Object.keys(WAYS))(
    'a backup can be restored in this way, and then each timeline is valid: %s',
    async (way) => {
      await restored.restart(await WAYS[way]!());
      await restored.expectTimelines();
      await restored.story.sent();
      await restored.story.stop();
    },
  );

  it('a full backup can be restored with another name and owner, and live onboardings continue', async () => {
    const to = await create('full');
    await restore(to.urlOfPrograms, 'full.dump', '--no-owner', '--no-privileges');
    expect(await migrate(to.url)).toEqual([]);
    await restored.restart(to.url);
    await restored.expectTimelines();
    await restored.goOn();
  });
}

if (!server) {
  process.stderr.write(
    '\nNOT TESTED: backups. This needs a Docker engine, or a pg_dump that is not older than the server.\n\n',
  );
}
const describeOrSkip = server ? describe : describe.skip;

describeOrSkip('a backup', () => {
  if (server) backups(server);
  // Jest fails if a file has no test.
  else it('is restored', () => undefined);
});

function changed(base: string, { name, user }: { name: string; user?: string }): string {
  const url = new URL(base);
  url.pathname = name;
  if (user) Object.assign(url, { username: user, password: PASSWORD });
  return url.href;
}
