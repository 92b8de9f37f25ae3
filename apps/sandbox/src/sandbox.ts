import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { IntegratorApi } from './byzantine/integrator-api.js';
import { generateCredential, parseIntegratorKey } from './byzantine/integrator-keys.js';
import { Faults } from './control/faults.js';
import { Journal } from './control/journal.js';
import { Mailbox } from './control/mailbox.js';
import { SandboxControl } from './control/sandbox-control.js';
import { installUpstreamHooks } from './control/upstream-hooks.js';
import { RefusalFilter } from './refusal.filter.js';
import { SandboxClock } from './sandbox-clock.js';
import type { TimeSource } from './sandbox-clock.js';
import { SandboxModule } from './sandbox.module.js';

export interface SandboxOptions {
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** Default 0: any free port. */
  port?: number | undefined;
  /** `0x…[:read_only|:read_write][:label]` each; without any, a fresh key pair is made. */
  pubkeys?: readonly string[] | undefined;
  /** Whether accounts and users need not be made known first. */
  acceptAnySubject?: boolean | undefined;
  /** Default 5 minutes. */
  codeLifeMs?: number | undefined;
  /** Default 15 minutes. */
  sessionLifeMs?: number | undefined;
  /** If given, an attestation must be for this relying party. */
  rpId?: string | undefined;
  /** If given, an attestation must come from one of these origins. */
  origins?: readonly string[] | undefined;
  /** What the sandbox's clock starts from; default the wall clock. */
  clock?: TimeSource | undefined;
}

/** A running sandbox; `control` does what `/_sandbox` does, without HTTP. */
export interface Sandbox {
  url: string;
  control: SandboxControl;
  /** The key pair that was made because no key was given, else null. */
  credential: { privateKeyHex: string; pubkey: string } | null;
  /** Closes the port and drops every connection, held answers included. */
  close(): Promise<void>;
}

/**
 * Starts the emulator on a port of this process.
 *
 * @throws Error if a key cannot be read or the port cannot be had
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { host = '127.0.0.1', port = 0 } = options;
  const credential = options.pubkeys?.length ? null : generateCredential();
  const keys = new Map(
    (credential ? [credential.pubkey] : (options.pubkeys ?? []))
      .map(parseIntegratorKey)
      .map((key) => [key.pubkey, key] as const),
  );

  const clock = new SandboxClock(options.clock);
  const mailbox = new Mailbox();
  const faults = new Faults();
  const journal = new Journal();
  const byzantine = new IntegratorApi(
    {
      acceptAnySubject: options.acceptAnySubject ?? false,
      codeLifeMs: options.codeLifeMs ?? 5 * 60_000,
      sessionLifeMs: options.sessionLifeMs ?? 15 * 60_000,
      relyingParty: { rpId: options.rpId, origins: options.origins },
    },
    clock,
    mailbox,
  );
  const control = new SandboxControl(clock, mailbox, faults, journal, byzantine);

  const closing = new AbortController();
  const app = await createApp(byzantine, control);
  installUpstreamHooks(app.getHttpAdapter().getInstance(), {
    clock,
    faults,
    journal,
    keys,
    closing: closing.signal,
  });
  await app.listen(port, host);

  const address = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    control,
    credential,
    close: async () => {
      closing.abort();
      await app.close();
    },
  };
}

async function createApp(byzantine: IntegratorApi, control: SandboxControl): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({ forceCloseConnections: true });
  // Signatures cover the bytes as sent, so bytes are all that a route is given.
  adapter.getInstance().removeAllContentTypeParsers();
  adapter
    .getInstance()
    .addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  const app = await NestFactory.create<NestFastifyApplication>(
    SandboxModule.over(byzantine, control),
    adapter,
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
    },
  );
  return app.useGlobalFilters(new RefusalFilter());
}
