import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installClients } from './client-folder.js';

const exec = promisify(execFile);

/** Turnkey's official client packages, which `npm start` does not install. */
const FOLDER = join(import.meta.dirname, '..', 'clients', 'turnkey');
/** The key of `@turnkey/crypto` for OTP bundles. `@turnkey/core` cannot use another one. */
const PRODUCTION_SIGNER =
  '046b4f88421f76b6ba418afc2ea1d8ced671337d7db6b80478a60d8531bf8f17' +
  'fa9a512f0fef96fc0c9b4cd9dff70b34992e520ce04c79d931f6ff6296b547d201';
/** Modules that only React Native needs. */
const NATIVE = [
  '@react-native-async-storage/async-storage',
  'react-native-keychain',
  '@turnkey/react-native-passkey-stamper',
];

export const installTurnkeyClients = (): Promise<boolean> => installClients(FOLDER);

/** Runs a backend that uses `@turnkey/sdk-server`. @returns the report that it prints. */
export async function runBackend(settings: object): Promise<unknown> {
  const { stdout } = await exec(process.execPath, ['server.mjs', JSON.stringify(settings)], { cwd: FOLDER });
  return JSON.parse(stdout);
}

/** A website with one page, whose script uses `@turnkey/core`. */
export class ClientSite {
  /** The key with which the script verifies Turnkey's OTP bundles. */
  signerPublicKey = PRODUCTION_SIGNER;

  private constructor(
    readonly origin: string,
    readonly close: () => Promise<void>,
  ) {}

  static async open(): Promise<ClientSite> {
    const file = join(FOLDER, 'node_modules', '.cache', 'page.js');
    const esbuild = join(FOLDER, 'node_modules', '.bin', 'esbuild');
    const flags = ['--bundle', '--format=iife', '--define:global=globalThis', '--log-level=warning'];
    await exec(
      esbuild,
      ['page.js', `--outfile=${file}`, ...flags, ...NATIVE.map((name) => `--external:${name}`)],
      { cwd: FOLDER },
    );
    const script = await readFile(file, 'utf8');
    await rm(file);
    if (!script.includes(PRODUCTION_SIGNER))
      throw new Error('the script does not contain the key of the signer');

    const server = createServer((request, response) => {
      const isScript = request.url === '/page.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      const body = '<!doctype html><link rel="icon" href="data:,"><script src="page.js"></script>';
      response.end(isScript ? script.replaceAll(PRODUCTION_SIGNER, site.signerPublicKey) : body);
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const { port } = server.address() as AddressInfo;
    const site = new ClientSite(`http://localhost:${port}`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return site;
  }
}
