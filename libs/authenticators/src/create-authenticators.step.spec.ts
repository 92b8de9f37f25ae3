import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { DataKeys, sealGrant, type OnboardingStore, type Row, type Steps } from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { aCall, testConfig } from '#libs/testing';
import {
  UpstreamError,
  type Grant,
  type NewAuthenticator,
  type RejectionReason,
  type UpstreamProvider,
} from '#libs/upstream';
import { CreateAuthenticatorsStep } from './create-authenticators.step.js';
import { Credentials } from './credentials.js';

const sealer = new Sealer(testConfig().SEALING_KEYS);
const step = new CreateAuthenticatorsStep(
  new Credentials({} as OnboardingStore),
  {} as Steps,
  new DataKeys(sealer),
);

const id = 'onboarding-1';
const grant: Grant = { type: 'upstream-session', sessionId: new Secret('session-1'), expiresAt: new Date(0) };
const passkeys = ['a', 'b'].map((name): NewAuthenticator => ({
  name,
  challenge: 'c',
  credentialId: `credential-${name}`,
  clientDataJson: 'd',
  attestationObject: 'o',
  transports: ['usb'],
}));
const pending = passkeys.map(({ name, credentialId, transports }) => ({
  name,
  credentialId,
  aaguid: '0',
  transports,
}));
const row = {
  id,
  sealedDataKey: null,
  subject: { userId: 'u' },
  sealedGrant: sealGrant(sealer, id, grant),
  sealedAuthenticators: sealer.seal({ onboardingId: id, field: 'authenticators' }, JSON.stringify(passkeys)),
  pendingAuthenticators: pending,
  authenticators: [],
} as unknown as Row;

const providerThatAnswers = (ids: string[] | null, seen: unknown[] = []) =>
  ({
    createAuthenticators: async (
      _call: unknown,
      _subject: unknown,
      given: Grant,
      sent: NewAuthenticator[],
    ) => {
      seen.push(given.type === 'upstream-session' && given.sessionId.reveal(), sent);
      return ids;
    },
  }) as unknown as UpstreamProvider;

const call = aCall();
const refusal = (reason?: RejectionReason) =>
  new UpstreamError('rejected', {
    detail: 'no',
    evidence: { bytesSent: true, headersSeen: true, status: 400, durationMs: 1 },
    ...(reason && { reason }),
  });

describe('step 3', () => {
  it('sends what was sealed, in the session that was sealed, and maps the ids in the order sent', async () => {
    const seen: unknown[] = [];
    const end = await step.call(providerThatAnswers(['id-a', 'id-b'], seen), call, row);
    expect(seen).toEqual(['session-1', passkeys]);
    expect(end).toMatchObject({
      signal: 'authenticators_created',
      patch: {
        authenticators: [
          { id: 'id-a', ...pending[0], createdAt: expect.stringMatching(/Z$/) },
          { id: 'id-b', ...pending[1] },
        ],
        pendingAuthenticators: [],
      },
      data: { authenticatorIds: ['id-a', 'id-b'] },
    });
    expect(end.clauses!.map(({ name }) => name)).toEqual(['credentials_confirmed']);
    expect(JSON.stringify(end)).not.toContain('session-1');
  });

  it('completes without ids where their number was another, and says so', async () => {
    const end = await step.call(providerThatAnswers(null), call, row);
    expect(end.data).toEqual({ authenticatorIds: null, unmapped: true });
    expect(end.patch!.authenticators).toMatchObject([
      { id: null, name: 'a' },
      { id: null, name: 'b' },
    ]);
    expect(step.resolvedDone(row, null).patch.authenticators).toMatchObject([{ id: null }, { id: null }]);
  });

  it('keeps passkeys that were registered before', async () => {
    const earlier = { ...pending[0]!, id: 'id-0', createdAt: 'then' };
    const end = await step.call(providerThatAnswers(['id-a', 'id-b']), call, {
      ...row,
      authenticators: [earlier],
    });
    expect(end.patch!.authenticators).toMatchObject([earlier, { id: 'id-a' }, { id: 'id-b' }]);
  });

  it('does not open what was sealed for another onboarding', async () => {
    await expect(step.call(providerThatAnswers([]), call, { ...row, id: 'onboarding-2' })).rejects.toThrow();
  });

  it.each<[RejectionReason | undefined, string, object]>([
    ['session_expired', 'session_expired', { code: 'session_expired' }],
    [
      'attestation_invalid',
      'authenticators_rejected',
      { code: 'attestation_invalid', errors: [{ code: 'upstream_refused' }] },
    ],
    [
      'credential_already_registered',
      'authenticators_rejected',
      { code: 'attestation_invalid', errors: [{ code: 'credential_already_registered' }] },
    ],
    [
      'authenticator_limit',
      'authenticators_rejected',
      { code: 'attestation_invalid', errors: [{ code: 'upstream_refused' }] },
    ],
    [undefined, 'authenticators_rejected', { code: 'upstream_rejected' }],
  ])('refused for %s', (reason, signal, result) => {
    const end = step.rejected(row, refusal(reason));
    expect(end).toMatchObject({ signal, result, patch: { pendingAuthenticators: [] } });
    expect(end.clauses!.map(({ name }) => name)).toEqual(['credentials_released']);
  });

  it.each([
    ['/authenticators', { deviceSigning: null }],
    ['/device', { deviceSigning: { publicKey: 'k' } as Row['deviceSigning'] }],
  ])('refused points at what was submitted: %s', (pointer, more) => {
    const end = step.rejected({ ...row, ...more }, refusal('attestation_invalid'));
    expect(end.result!.errors).toMatchObject([{ pointer, code: 'upstream_refused' }]);
  });

  it('that found no time goes back to a new code', () => {
    expect(step.gaveUp()).toMatchObject({ signal: 'session_expired', patch: { reason: 'session_expired' } });
  });
});
