import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ByzantineReader } from './byzantine/byzantine-reader.js';
import { IntegratorApi } from './byzantine/integrator-api.js';
import { generateCredential, parseIntegratorKey } from './byzantine/integrator-keys.js';
import { Faults } from './control/faults.js';
import { Journal } from './control/journal.js';
import { Mailbox } from './control/mailbox.js';
import { SandboxControl } from './control/sandbox-control.js';
import { installUpstreamHooks } from './control/upstream-hooks.js';
import { refuse, RefusalFilter } from './refusal.filter.js';
import { SandboxClock } from './sandbox-clock.js';
import type { TimeSource } from './sandbox-clock.js';
import { SandboxModule } from './sandbox.module.js';
import { corsFor } from './turnkey/cors.js';
import { Turnkey } from './turnkey/turnkey.js';
import type { TurnkeyFacts, TurnkeyOptions } from './turnkey/turnkey.js';
import { TurnkeyReader } from './turnkey/turnkey-reader.js';

export interface SandboxOptions {
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** Default 0: any free port. */
  port?: number | undefined;
  /** `0x…[:read_only|:read_write][:label]`. Default: a new key pair. */
  pubkeys?: readonly string[] | undefined;
  acceptAnySubject?: boolean | undefined;
  /** Default 5 minutes. */
  codeLifeMs?: number | undefined;
  /** Default 15 minutes. */
  sessionLifeMs?: number | undefined;
  /** If set, attestations must be for this relying party. */
  rpId?: string | undefined;
  /** If set, attestations must come from one of these origins. */
  origins?: readonly string[] | undefined;
  /** Default: the wall clock. */
  clock?: TimeSource | undefined;
  turnkey?: TurnkeyOptions | undefined;
}

/** `control` has the same functions as `/_sandbox`, without HTTP. */
export interface Sandbox {
  url: string;
  control: SandboxControl;
  /** The new key pair if no key was given. */
  credential: { privateKeyHex: string; pubkey: string } | null;
  /** `apiPrivateKeyHex` is the new key if no API key was given. */
  turnkey: TurnkeyFacts & { apiPrivateKeyHex: string | null };
  /** Also drops connections whose answer is still delayed. */
  close(): Promise<void>;
}

/** @throws Error if a key cannot be read or the port is taken */
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
  const relyingParty = { rpId: options.rpId, origins: options.origins };
  const acceptAnySubject = options.acceptAnySubject ?? false;
  const turnkey = new Turnkey(options.turnkey ?? {}, { acceptAnySubject, relyingParty, clock, mailbox });
  const byzantine = new IntegratorApi(
    {
      acceptAnySubject,
      codeLifeMs: options.codeLifeMs ?? 5 * 60_000,
      sessionLifeMs: options.sessionLifeMs ?? 15 * 60_000,
      relyingParty,
    },
    clock,
    mailbox,
  );
  const control = new SandboxControl(clock, mailbox, faults, journal, byzantine, turnkey, keys);

  const closing = new AbortController();
  const app = await createApp(byzantine, turnkey, control);
  installUpstreamHooks(app.getHttpAdapter().getInstance(), {
    clock,
    faults,
    journal,
    readers: [new TurnkeyReader(turnkey.state), new ByzantineReader(keys, clock)],
    closing: closing.signal,
  });
  await app.listen(port, host);

  const address = app.getHttpServer().address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    control,
    credential,
    turnkey: { ...turnkey.facts, apiPrivateKeyHex: turnkey.apiPrivateKeyHex },
    close: async () => {
      closing.abort();
      await app.close();
    },
  };
}

async function createApp(
  byzantine: IntegratorApi,
  turnkey: Turnkey,
  control: SandboxControl,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    forceCloseConnections: true,
    // For requests that the router cannot parse, e.g. a path with bad percent-encoding.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      refuse(error, request, reply),
  });
  // Routes receive the raw bytes, because signatures cover the bytes as sent.
  adapter.getInstance().removeAllContentTypeParsers();
  adapter
    .getInstance()
    .addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  const app = await NestFactory.create<NestFastifyApplication>(
    SandboxModule.over(byzantine, turnkey, control),
    adapter,
    {
      bodyParser: false,
      logger: false,
      abortOnError: false,
    },
  );
  app.enableCors({ delegator: corsFor(turnkey.authProxy.config.allowedOrigins) });
  return app.useGlobalFilters(new RefusalFilter());
}
