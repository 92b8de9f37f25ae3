import { describe, expect, it } from '@jest/globals';
import { aRow, after } from '#libs/testing';
import { createPasskey } from '../../../tools/passkey.js';
import { authenticatorsBody, optionsBody } from './authenticators.dto.js';
import {
  eventsQuery,
  idParam,
  listQuery,
  onboardingResource,
  reasonBody,
  resolveBody,
  startBody,
  toResource,
  verifyBody,
} from './onboarding.dto.js';

const subject = { accountId: 'a', userId: 'u' };
const credential = createPasskey({
  rpId: 'app.example.com',
  origin: 'https://app.example.com',
  challenge: 'AQID',
});
const named = (more: object) => ({ authenticators: [{ authenticatorName: 'Phone', ...more }] });
const asProvidersSpellIt = (transports: string[]) => ({
  challenge: 'AQID',
  attestation: {
    credentialId: credential.id,
    clientDataJson: credential.response.clientDataJSON,
    attestationObject: credential.response.attestationObject,
    transports,
  },
});

const takes = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  schema.safeParse(value).success;

describe('the validation of bodies and queries', () => {
  it.each([
    [
      'a code',
      verifyBody,
      { code: '012345' },
      [
        { code: '12345' },
        { code: '0123456789' },
        { code: 12_345_6 },
        { code: '12 456' },
        { code: '12345\n6' },
        {},
      ],
    ],
    [
      'a start',
      startBody,
      { subject, metadata: { plan: 'pro' }, supersede: true },
      [
        {},
        { subject: 'u' },
        { subject, supersede: 'yes' },
        { subject, externalRef: '' },
        { subject, x: 1 },
        { subject, metadata: { big: 'x'.repeat(4100) } },
      ],
    ],
    [
      'a resolution',
      resolveBody,
      { outcome: 'done', reason: 'asked' },
      [{ outcome: 'maybe', reason: 'x' }, { outcome: 'done' }, { outcome: 'done', reason: '' }],
    ],
    [
      'a user of a passkey',
      optionsBody,
      { userName: 'ana@example.com', userDisplayName: 'Ana' },
      [{}, { userName: '' }, { userName: 'x'.repeat(65) }, { userName: 'a\0b' }, { userName: 'a\ud800' }],
    ],
    ['a reason', reasonBody, { reason: 'x' }, [{ reason: 'x'.repeat(501) }, { why: 'x' }, null]],
    [
      'a page of events',
      eventsQuery,
      { after: '3', limit: '10' },
      [{ after: '-1' }, { limit: '0' }, { limit: '1001' }, { after: ['1', '2'] }],
    ],
  ])('accepts %s only in its documented form', (_, schema, good, bad) => {
    expect(takes(schema, good)).toBe(true);
    for (const each of bad) expect([each, takes(schema, each)]).toEqual([each, false]);
  });

  it('accepts a body without a reason', () => {
    expect(takes(reasonBody, undefined)).toBe(true);
    expect(takes(reasonBody, {})).toBe(true);
  });

  it('accepts only UUIDs as ids, in upper or lower case', () => {
    expect(idParam.parse('0198A000-0000-7000-8000-00000000000A')).toBe(
      '0198a000-0000-7000-8000-00000000000a',
    );
    expect(takes(idParam, "0198a000' OR 1=1")).toBe(false);
  });

  it('accepts one to ten passkeys, each as a browser writes it or as a provider wants it', () => {
    expect(takes(authenticatorsBody, named({ credential }))).toBe(true);
    expect(
      takes(authenticatorsBody, named(asProvidersSpellIt(['AUTHENTICATOR_TRANSPORT_USB', 'Unknown']))),
    ).toBe(true);
    const bad = [
      { authenticators: [] },
      { authenticators: Array(11).fill(named({ credential }).authenticators[0]) },
      named({}),
      named({ credential, ...asProvidersSpellIt([]) }),
      named(asProvidersSpellIt(['internal'])),
      named({ credential: { ...credential, id: 'not base64url=' } }),
      named({ credential: { ...credential, type: 'password' } }),
      { authenticators: [{ authenticatorName: ' ', credential }] },
      { authenticators: [{ authenticatorName: 'x'.repeat(65), credential }] },
    ];
    for (const each of bad) expect([each, takes(authenticatorsBody, each)]).toEqual([each, false]);
  });

  it('names the wrong member of a browser’s passkey, and accepts unknown transports', () => {
    const { response } = credential;
    const withTransports = (transports: string[]) => ({
      ...credential,
      response: { ...response, transports },
    });
    const bad: [object, string][] = [
      [withTransports(['x'.repeat(33)]), 'response/transports/0'],
      [withTransports(Array<string>(11).fill('usb')), 'response/transports'],
      [{ ...credential, rawId: 'YR' }, 'rawId'], // one byte and four unused bits, which are not zero
      [{ ...credential, id: 'A' }, 'id'],
      [{ ...credential, response: { ...response, clientDataJSON: 'a+b' } }, 'response/clientDataJSON'],
    ];
    for (const [given, where] of bad) {
      const { error } = authenticatorsBody.safeParse(named({ credential: given }));
      expect(error?.issues.map(({ path }) => path.join('/'))).toEqual([
        `authenticators/0/credential/${where}`,
      ]);
    }
    for (const names of [['smart-card', 'of-tomorrow'], [''], ['u\u0000sb'], []]) {
      expect(takes(authenticatorsBody, named({ credential: withTransports(names) }))).toBe(true);
    }
  });

  it.each([null, '', 'hybrid', 7, {}, ['platform']])(
    'accepts any value for the members of a browser’s passkey that the service ignores: %j',
    (value) => {
      const { response } = credential;
      const copies = { authenticatorData: value, publicKey: value, publicKeyAlgorithm: value };
      const given = {
        ...credential,
        authenticatorAttachment: value,
        clientExtensionResults: value,
        ofTomorrow: value,
        response: { ...response, ...copies, ofTomorrow: value },
      };
      expect(takes(authenticatorsBody, named({ credential: given }))).toBe(true);
    },
  );

  it.each<[string, { safeParse(value: unknown): { data?: unknown } }, object, object]>([
    [
      'a start',
      startBody,
      { subject },
      { integration: null, externalRef: null, metadata: null, supersede: null, otp: null },
    ],
    ['a reason', reasonBody, {}, { reason: null }],
    ['a code', verifyBody, { code: '012345' }, { encryptedOtpBundle: null }],
    ['options', optionsBody, { userName: 'ana' }, { userDisplayName: null }],
    ['passkeys', authenticatorsBody, named({ credential }), { device: null }],
  ])('accepts null for each optional member of %s', (_, schema, given, nulls) => {
    const absent = Object.fromEntries(Object.keys(nulls).map((name) => [name, undefined]));
    expect(schema.safeParse({ ...given, ...nulls }).data).toEqual({
      ...(schema.safeParse(given).data as object),
      ...absent,
    });
  });

  it('treats null like a missing list of transports in a browser’s passkey', () => {
    const given = { ...credential, response: { ...credential.response, transports: null } };
    const [parsed] = authenticatorsBody.parse(named({ credential: given })).authenticators!;
    expect(parsed).toMatchObject({ credential: { response: { transports: undefined } } });
  });

  it('recognizes a browser’s or a provider’s notation of a passkey, and reports its faults', () => {
    const faultsOf = (more: object) =>
      authenticatorsBody.safeParse(named(more)).error?.issues.map(({ path }) => path.slice(2).join('/'));
    const spelled = asProvidersSpellIt([]);
    const { attestation } = spelled;
    expect(faultsOf(spelled)).toBeUndefined();
    expect(faultsOf(asProvidersSpellIt(['internal']))).toEqual(['attestation/transports/0']);
    expect(faultsOf({ ...spelled, challenge: null })).toEqual(['challenge']);
    expect(faultsOf({ challenge: 'AQID' })).toEqual(['attestation']);
    expect(faultsOf({ attestation })).toEqual(['challenge']);
    expect(faultsOf({ ...spelled, attestation: { ...attestation, credentialId: '' } })).toEqual([
      'attestation/credentialId',
    ]);
    expect(faultsOf({ credential: null })).toEqual(['credential']);
    expect(faultsOf({ credential: { ...credential, response: null } })).toEqual(['credential/response']);
    expect(faultsOf({ credential, authenticatorName: 7 })).toEqual(['authenticatorName']);
    expect(faultsOf({ credential, ...spelled })).toEqual(['']);
    expect(faultsOf({})).toEqual(['']);
  });

  it('accepts only known filters, and cursors that a list has returned', () => {
    const id = '0198a000-0000-7000-8000-00000000000a';
    const query = listQuery.parse({
      state: 'otp_sent,failed',
      limit: '7',
      createdAfter: '2026-11-20T10:00:00+01:00',
      cursor: Buffer.from(id).toString('base64url'),
    });
    expect(query).toMatchObject({
      state: ['otp_sent', 'failed'],
      limit: 7,
      createdAfter: new Date('2026-11-20T09:00:00Z'),
      cursor: id,
    });
    expect(listQuery.parse({}).limit).toBe(50);
    for (const bad of [
      { state: 'done' },
      { state: 'failed,done' },
      { state: '' },
      { limit: '201' },
      { limit: ['1', '2'] },
      { createdAfter: 'yesterday' },
      { cursor: 'bm9uZQ' },
      { colour: 'red' },
    ]) {
      expect([bad, takes(listQuery, bad)]).toEqual([bad, false]);
    }
  });
});

describe('an onboarding as callers see it', () => {
  const secrets = {
    sealedOtpCode: Buffer.from('sealed'),
    sealedGrant: Buffer.from('sealed'),
    sealedAuthenticators: Buffer.from('sealed'),
    otpHandle: 'handle-of-upstream',
    fingerprint: 'print-of-the-code',
    subjectKey: 'key-of-the-subject',
  };

  it.each([
    ['waits for its code', {}],
    ['waits for a retry', { state: 'otp_submitted', step: 'verify-otp', nextAttemptAt: after(500) } as const],
    [
      'is parked',
      {
        state: 'otp_requested',
        step: 'init-otp',
        parkedReason: 'integration_missing',
        parkedAt: after(-5),
      } as const,
    ],
    [
      'has a session',
      { state: 'otp_verified', sessionExpiresAt: after(900_000), sessionEndsAt: after(870_000) } as const,
    ],
    [
      'has an unknown outcome',
      {
        state: 'outcome_unknown',
        step: 'verify-otp',
        unresolved: [{ step: 'verify-otp', attempt: 2, at: '2026-11-20T10:00:00.000Z' }],
      } as const,
    ],
    [
      'has failed',
      {
        state: 'failed',
        deadlineAt: null,
        failure: {
          code: 'otp_locked',
          detail: 'x',
          step: 'verify-otp',
          upstreamStatus: 400,
          at: '2026-11-20T10:00:00.000Z',
        },
      } as const,
    ],
    [
      'is completed',
      {
        state: 'completed',
        deadlineAt: null,
        authenticators: [
          {
            id: null,
            name: 'a',
            credentialId: 'c',
            aaguid: '0',
            transports: ['usb'],
            createdAt: '2026-11-20T10:00:00.000Z',
          },
        ],
      } as const,
    ],
  ])('has its documented form and no secret when it %s', (_, columns) => {
    const resource = toResource(aRow({ ...secrets, ...(columns as object) }));
    const text = JSON.stringify(resource);
    expect(onboardingResource.strict().safeParse(JSON.parse(text)).error?.issues).toBeUndefined();
    expect(text).not.toMatch(/sealed|handle-of-upstream|print-of-the-code|key-of-the-subject/);
  });
});
