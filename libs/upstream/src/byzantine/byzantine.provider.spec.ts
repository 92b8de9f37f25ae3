import { createPublicKey, randomUUID, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ProblemError, Secret, systemClock, type Clock } from '#libs/kernel';
import { parsePrivateKey } from '#libs/signing';
import { aCall, byzantineSchemas, testConfig, type ByzantineOperation } from '#libs/testing';
import { UpstreamHttpClient } from '../transport/http-client.js';
import { UpstreamError, type FailureClass, type RejectionReason } from '../port/upstream-error.js';
import type { Call, Grant, NewAuthenticator } from '../port/upstream-provider.js';
import { ClockSkew } from '../transport/clock-skew.js';
import { SigningKeys } from '../transport/signing-keys.js';
import { ByzantineProvider } from './byzantine.provider.js';

const NOW_S = 1_763_632_800;
const clock: Clock = { nowMs: () => NOW_S * 1000 + 999, monotonicMs: systemClock.monotonicMs };
const subject = {
  accountId: '550e8400-e29b-41d4-a716-446655440000',
  userId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
};
const grant: Grant = { type: 'upstream-session', sessionId: new Secret(randomUUID()), expiresAt: new Date() };
const authenticator: NewAuthenticator = {
  name: 'Ana’s phone ☎',
  challenge: 'Y2hhbGxlbmdl',
  credentialId: 'AQIDBA',
  clientDataJson: 'eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0',
  attestationObject: 'o2NmbXRkbm9uZQ',
  transports: ['ble', 'hybrid', 'internal', 'nfc', 'usb', 'unknown'],
};

interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let server: Server;
let baseUrl: string;
let received: Received[];
let answer: { status: number; body: string; headers?: Record<string, string> };
let http: UpstreamHttpClient;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      received.push({ method: request.method!, url: request.url!, headers: request.headers, body });
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  http = new UpstreamHttpClient(testConfig(), systemClock);
});
afterAll(async () => {
  await http.onApplicationShutdown();
  await new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  received = [];
});

const keys = new SigningKeys([parsePrivateKey(new Secret('01'.repeat(32)), 'SPEC')]);
const providerOf = () =>
  new ByzantineProvider({ name: 'byzantine', baseUrl }, keys, http, clock, new ClockSkew(clock));

const call = () => aCall();

const STEPS = {
  'init-otp': {
    path: '/v1/submit/init-otp',
    good: { otpId: 'otp_of any shape' },
    run: (provider: ByzantineProvider) => provider.initOtp(call(), subject),
  },
  'otp-auth': {
    path: '/v1/submit/otp-auth',
    good: { session: 'opaque', sessionId: randomUUID(), expiresAt: '2026-02-05T12:00:00Z' },
    run: (provider: ByzantineProvider) =>
      provider.verifyOtp(call(), subject, { handle: 'otp-1' }, { type: 'code', code: new Secret('012345') }),
  },
  'create-authenticators-otp': {
    path: '/v1/submit/create-authenticators-otp',
    good: { authenticatorIds: ['id-1'] },
    run: (provider: ByzantineProvider) =>
      provider.createAuthenticators(call(), subject, grant, [authenticator]),
  },
} as const;
type Step = keyof typeof STEPS;
const NAMES = Object.keys(STEPS) as Step[];

const JSON_TYPE = { 'content-type': 'application/json' };
const answers = (status: number, body: unknown, headers: Record<string, string> = JSON_TYPE) => {
  answer = { status, body: typeof body === 'string' ? body : JSON.stringify(body), headers };
};

async function failureOf(step: Step, provider = providerOf()): Promise<UpstreamError> {
  const error = await STEPS[step].run(provider).then(
    (value: unknown) => new Error(`it succeeded: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof UpstreamError) return error;
  throw error;
}

describe('a request to Byzantine', () => {
  /** In DER, a P-256 key is a fixed prefix (RFC 5480), followed by the point's 33 bytes. */
  const publicKeyOf = (header: string) =>
    createPublicKey({
      key: Buffer.from(`3039301306072a8648ce3d020106082a8648ce3d030107032200${header.slice(2)}`, 'hex'),
      format: 'der',
      type: 'spki',
    });

  function expectSigned({ method, url, headers, body }: Received): void {
    expect(headers['x-pubkey']).toMatch(/^0x0[23][0-9a-f]{64}$/);
    expect(headers['x-timestamp']).toBe(String(NOW_S));
    const signed = Buffer.from(`${NOW_S}${method}${url}${body}`, 'utf8');
    const signature = Buffer.from(String(headers['x-signature']).slice(2), 'hex');
    expect(String(headers['x-signature'])).toMatch(/^0x30[0-9a-f]+$/);
    expect(verify('sha256', signed, publicKeyOf(String(headers['x-pubkey'])), signature)).toBe(true);
  }

  it.each(NAMES)('for %s matches its schema and has a signature over its exact bytes', async (step) => {
    answers(200, STEPS[step].good);
    await STEPS[step].run(providerOf());
    expect(received).toHaveLength(1);
    const [request] = received;
    expect(request).toMatchObject({ method: 'POST', url: STEPS[step].path });
    expect(request!.headers['content-type']).toBe('application/json');
    expect(byzantineSchemas.check(step as ByzantineOperation, 'request', JSON.parse(request!.body))).toEqual(
      [],
    );
    expect(byzantineSchemas.check(step as ByzantineOperation, 'response', STEPS[step].good)).toEqual([]);
    expectSigned(request!);
  });

  it('for a probe is a signed GET without a body', async () => {
    answers(200, {
      integratorId: 'i',
      accessScope: 'read_write',
      label: null,
      capabilities: { canWrite: true },
    });
    await providerOf().probe(call());
    expect(received[0]).toMatchObject({ method: 'GET', url: '/v1/integrator/whoami', body: '' });
    expectSigned(received[0]!);
  });
});

describe('a request to Byzantine', () => {
  it('carries the code, the session and each passkey unchanged', async () => {
    answers(200, STEPS['otp-auth'].good);
    await STEPS['otp-auth'].run(providerOf());
    expect(JSON.parse(received[0]!.body)).toEqual({ ...subject, otpId: 'otp-1', otpCode: '012345' });

    answers(200, STEPS['create-authenticators-otp'].good);
    await STEPS['create-authenticators-otp'].run(providerOf());
    expect(JSON.parse(received[1]!.body)).toEqual({
      sessionId: grant.type === 'upstream-session' && grant.sessionId.reveal(),
      ...subject,
      authenticators: [
        {
          authenticatorName: authenticator.name,
          challenge: authenticator.challenge,
          attestation: {
            credentialId: authenticator.credentialId,
            clientDataJson: authenticator.clientDataJson,
            attestationObject: authenticator.attestationObject,
            transports: [
              'AUTHENTICATOR_TRANSPORT_BLE',
              'AUTHENTICATOR_TRANSPORT_HYBRID',
              'AUTHENTICATOR_TRANSPORT_INTERNAL',
              'AUTHENTICATOR_TRANSPORT_NFC',
              'AUTHENTICATOR_TRANSPORT_USB',
              'Unknown',
            ],
          },
        },
      ],
    });
  });

  it('is not sent if beforeSend throws', async () => {
    const held: Call = {
      ...call(),
      beforeSend: () => {
        throw new Error('too old');
      },
    };
    await expect(providerOf().initOtp(held, subject)).rejects.toMatchObject({ failure: 'not_sent' });
    expect(received).toEqual([]);
  });
});

describe('a successful answer of Byzantine', () => {
  it.each([200, 201, 202])('may be any 2xx, such as %d', async (status) => {
    answers(status, STEPS['init-otp'].good);
    expect(await STEPS['init-otp'].run(providerOf())).toEqual({ handle: 'otp_of any shape' });
  });

  it.each([
    ['2026-02-05T12:00:00Z', '2026-02-05T12:00:00.000Z'],
    ['2026-02-05T12:00:00', '2026-02-05T12:00:00.000Z'],
    ['2026-02-05 12:00:00', '2026-02-05T12:00:00.000Z'],
    ['2026-02-05T12:00:00.123456789', '2026-02-05T12:00:00.123Z'],
    ['2026-02-05T14:00:00+02:00', '2026-02-05T12:00:00.000Z'],
    ['2026-02-05T07:00:00-0500', '2026-02-05T12:00:00.000Z'],
  ])(
    'to otp-auth may contain the expiry %s, which means %s in every time zone',
    async (expiresAt, instant) => {
      answers(200, { ...STEPS['otp-auth'].good, expiresAt, more: 'is upstream’s freedom' });
      const granted = await STEPS['otp-auth'].run(providerOf());
      expect(granted).toMatchObject({ type: 'upstream-session', expiresAt: new Date(instant) });
      expect(granted.type === 'upstream-session' && granted.sessionId.reveal()).toBe(
        STEPS['otp-auth'].good.sessionId,
      );
    },
  );

  it('to a registration is read as the passkeys’ ids, or as null if their number is wrong', async () => {
    answers(200, { authenticatorIds: ['id-1'] });
    expect(await STEPS['create-authenticators-otp'].run(providerOf())).toEqual(['id-1']);
    answers(200, { authenticatorIds: ['id-1', 'id-2'] });
    expect(await STEPS['create-authenticators-otp'].run(providerOf())).toBeNull();
  });
});

describe('a 2xx answer of Byzantine', () => {
  const read: Record<Step, string[]> = {
    'init-otp': ['otpId'],
    'otp-auth': ['sessionId', 'expiresAt'],
    'create-authenticators-otp': ['authenticatorIds'],
  };

  it.each(NAMES)('to %s counts as lost if it cannot be read', async (step) => {
    const bad = [
      '<html>ok</html>',
      '',
      'null',
      '[]',
      '"yes"',
      JSON.stringify(STEPS[step].good).slice(0, -1),
      ...read[step].flatMap((member) =>
        [null, 7].map((value) => JSON.stringify({ ...STEPS[step].good, [member]: value })),
      ),
    ];
    for (const body of bad) {
      answers(200, body);
      expect(await failureOf(step)).toMatchObject({
        failure: 'no_answer',
        evidence: { status: 200, bytesSent: true },
      });
    }
  });

  it('to a registration counts as lost if it contains no passkey id', async () => {
    answers(200, { authenticatorIds: [] });
    expect((await failureOf('create-authenticators-otp')).failure).toBe('no_answer');
  });

  it('to otp-auth counts as lost if its expiry is not a valid time', async () => {
    for (const expiresAt of ['soon', '', '2026-13-45T99:00:00Z']) {
      answers(200, { ...STEPS['otp-auth'].good, expiresAt });
      expect((await failureOf('otp-auth')).failure).toBe('no_answer');
    }
  });
});

describe('a refusal by Byzantine', () => {
  const everywhere: [number, unknown, FailureClass, RejectionReason?][] = [
    [500, { error: 'boom', status: 500 }, 'unavailable'],
    [502, '<html>Bad Gateway</html>', 'unavailable'],
    [503, '', 'unavailable'],
    [504, 'upstream request timeout', 'unavailable'],
    [429, { error: 'slow down', status: 429 }, 'throttled'],
    [408, '', 'no_answer'],
    [401, { error: 'unknown public key', status: 401 }, 'misconfigured'],
    [403, { error: 'credential is read-only', status: 403 }, 'misconfigured'],
    [302, '', 'misconfigured'],
    [400, { error: 'Missing X-Pubkey header', status: 400 }, 'misconfigured'],
    [400, 'missing header: x-signature', 'misconfigured'],
    [400, { error: 'something new', status: 400 }, 'rejected_unclear'],
    [400, 'Failed to deserialize: UUID parsing failed', 'rejected_unclear'],
    [400, { error: { nested: true } }, 'rejected_unclear'],
    [400, '', 'rejected_unclear'],
    [418, '', 'rejected_unclear'],
    [409, { error: 'something new', status: 409 }, 'rejected'],
    [422, '', 'rejected'],
    [400, { error: 'Invalid OTP code', status: 400 }, 'rejected', 'otp_invalid'],
    [400, { error: 'OTP code has expired', status: 400 }, 'rejected', 'otp_expired'],
    [400, { error: 'Too many attempts', status: 400 }, 'rejected', 'otp_locked'],
    [400, { error: 'session expired', status: 400 }, 'rejected', 'session_expired'],
    [
      400,
      { error: 'credential already registered', status: 400 },
      'rejected',
      'credential_already_registered',
    ],
    [400, { error: 'maximum number of authenticators reached' }, 'rejected', 'authenticator_limit'],
    [400, 'invalid authenticator attestation: flags', 'rejected', 'attestation_invalid'],
    [401, { error: 'Account does not belong to integrator', status: 401 }, 'rejected', 'subject_not_found'],
    [403, 'the user is not owned by this integrator', 'rejected', 'subject_not_found'],
    [400, { error: 'Turnkey error 3: invalid email address (Details: [])' }, 'rejected', 'contact_invalid'],
    [400, { error: 'bad request: [{"turnkeyErrorCode":"INVALID_FQDN"}]' }, 'rejected', 'contact_invalid'],
    [
      400,
      { error: 'Turnkey error 8: user has exceeded maximum authenticators (10)' },
      'rejected',
      'authenticator_limit',
    ],
    [
      429,
      { error: 'Turnkey error 8: user has exceeded maximum authenticators (10)' },
      'rejected',
      'authenticator_limit',
    ],
    [429, { error: 'user has exceeded maximum api keys' }, 'rejected', 'resource_limit'],
    [429, { error: 'exceeded the maximum number of requests per minute' }, 'throttled'],
    [400, { error: 'Max number of OTPs have been initiated please wait and try again' }, 'throttled'],
  ];

  const cases = NAMES.flatMap((step) =>
    everywhere.map(([status, body, failure, reason]) => ({ step, status, body, failure, reason })),
  );

  it.each(cases)(
    'of $step with $status $body gives the failure $failure with the reason $reason',
    async ({ step, status, body, failure, reason }) => {
      answers(status, body);
      const error = await failureOf(step);
      expect(error.failure).toBe(failure);
      expect(error.reason).toBe(reason);
      expect(error.evidence).toMatchObject({ status, bytesSent: true, headersSeen: true });
      expect(received).toHaveLength(1);
    },
  );

  it.each<[Step, RejectionReason]>([
    ['init-otp', 'subject_not_found'],
    ['otp-auth', 'subject_not_found'],
    ['create-authenticators-otp', 'session_expired'],
  ])('of %s with 404 means %s, whatever its text is', async (step, reason) => {
    for (const body of [
      { error: 'account not found', status: 404 },
      'nothing here',
      { error: 'session not found' },
    ]) {
      answers(404, body);
      expect(await failureOf(step)).toMatchObject({ failure: 'rejected', reason });
    }
  });

  it.each<[number, string, boolean]>([
    [401, 'unknown public key', false],
    [401, 'request timestamp is outside the allowed window', false],
    [403, 'credential is read-only', false],
    [401, 'Unauthorized', true],
    [403, 'forbidden', true],
  ])(
    'with status %d and text "%s" may be about the subject instead of our key: %s',
    async (status, error, mayBeOfSubject) => {
      answers(status, { error, status });
      expect(await failureOf('init-otp')).toMatchObject({ failure: 'misconfigured', mayBeOfSubject });
    },
  );

  it('with status 503 and Retry-After counts as throttled, and the error contains the wait', async () => {
    answers(503, '', { 'retry-after': '3' });
    expect(await failureOf('init-otp')).toMatchObject({ failure: 'throttled', retryAfterMs: 3000 });
  });

  it('causes an error without the text of the answer, which could contain a code', async () => {
    answers(400, { error: 'code 012345 is wrong for session abc', status: 400 });
    const { message } = await failureOf('otp-auth');
    expect(message).not.toMatch(/012345|abc/);
  });

  it('of a probe counts as misconfigured with status 401, and as unavailable with status 503', async () => {
    answers(401, { error: 'unknown public key', status: 401 });
    await expect(providerOf().probe(call())).rejects.toMatchObject({ failure: 'misconfigured' });
    answers(503, '');
    await expect(providerOf().probe(call())).rejects.toMatchObject({ failure: 'unavailable' });
  });
});

describe('parseSubject of Byzantine', () => {
  it('accepts ids in upper and lower case, and treats both spellings as one subject', () => {
    const upper = { accountId: subject.accountId.toUpperCase(), userId: subject.userId.toUpperCase() };
    expect(providerOf().parseSubject(upper)).toEqual({
      subject,
      key: `${subject.accountId}/${subject.userId}`,
      personal: [],
    });
    expect(providerOf().parseSubject(upper).key).toBe(providerOf().parseSubject(subject).key);
  });

  it.each([
    [{ accountId: subject.accountId }, ['/subject/userId']],
    [{ ...subject, accountId: 'x' }, ['/subject/accountId']],
    [{ ...subject, email: 'a@b.c' }, ['/subject']],
    [null, ['/subject']],
    ['text', ['/subject']],
  ])('refuses %j with a pointer to the error', (value, pointers) => {
    try {
      providerOf().parseSubject(value);
    } catch (error) {
      expect(error).toBeInstanceOf(ProblemError);
      expect((error as ProblemError).code).toBe('validation_failed');
      expect((error as ProblemError).errors!.map(({ pointer }) => pointer)).toEqual(pointers);
      return;
    }
    throw new Error('it was accepted');
  });
});

describe('the client of Byzantine', () => {
  it('refuses an encrypted code and a session key, which only other providers use', async () => {
    const provider = providerOf();
    const encrypted = { type: 'encrypted-code', encryptedOtpBundle: '{}' } as const;
    await expect(provider.verifyOtp(call(), subject, { handle: 'otp-1' }, encrypted)).rejects.toThrow(
      /needs a code in plain text/,
    );
    const key = {
      type: 'session-key',
      organizationId: 'o',
      userId: 'u',
      privateKey: new Secret('k'),
      expiresAt: new Date(),
    } as const;
    await expect(provider.createAuthenticators(call(), subject, key, [authenticator])).rejects.toThrow(
      /needs the id of its session/,
    );
    expect(received).toEqual([]);
  });
});

describe('parseOtpChoice of Byzantine', () => {
  it('accepts absent or empty options', () => {
    for (const nothing of [undefined, {}]) {
      expect(providerOf().parseOtpChoice(nothing)).toEqual({ choice: {}, once: {} });
    }
  });

  it.each<[unknown, string[]]>([
    [null, ['/otp']],
    [[], ['/otp']],
    ['x', ['/otp']],
    [{ otpLength: 6, 'a/b~c': 1 }, ['/otp/otpLength', '/otp/a~1b~0c']],
  ])('refuses %j with a pointer to each member', (value, pointers) => {
    const errors = pointers.map((pointer) => expect.objectContaining({ pointer, code: 'not_supported' }));
    expect(() => providerOf().parseOtpChoice(value)).toThrow(expect.objectContaining({ errors }));
  });
});
