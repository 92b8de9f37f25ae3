import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { DataKeys, move, sealGrant, type Row, type StepEnd, type Steps } from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { aCall, aRow, testConfig } from '#libs/testing';
import {
  UpstreamError,
  type Grant,
  type NewAuthenticator,
  type RejectionReason,
  type UpstreamProvider,
} from '#libs/upstream';
import { CreateAuthenticatorsStep } from './create-authenticators.step.js';

const config = testConfig();
const sealer = new Sealer(config.SEALING_KEYS);
const step = new CreateAuthenticatorsStep({} as Steps, new DataKeys(sealer));

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
const row = aRow({
  id,
  state: 'authenticators_submitted',
  step: 'create-authenticators',
  subject: { userId: 'u' },
  sealedGrant: sealGrant(sealer, id, grant),
  sealedAuthenticators: sealer.seal(
    { onboardingId: id, field: 'authenticators' },
    JSON.stringify({ authenticators: passkeys }),
  ),
  pendingAuthenticators: pending,
});

const moved = (seen: Row, { signal, facts }: StepEnd) =>
  move(seen, signal, facts as never, { now: seen.now, settings: config });

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

describe('step 3 (passkeys)', () => {
  it('sends the decrypted passkeys and session, and assigns the returned ids in their order', async () => {
    const seen: unknown[] = [];
    const end = await step.call(providerThatAnswers(['id-a', 'id-b'], seen), call, row);
    expect(seen).toEqual(['session-1', passkeys]);
    const { patch, events, refund } = moved(row, end);
    expect(patch).toMatchObject({
      state: 'completed',
      authenticators: [
        { id: 'id-a', ...pending[0], createdAt: expect.stringMatching(/Z$/) },
        { id: 'id-b', ...pending[1] },
      ],
      pendingAuthenticators: [],
    });
    expect(events).toMatchObject([
      { type: 'authenticators_created', data: { authenticatorIds: ['id-a', 'id-b'] } },
      { type: 'secrets_wiped' },
    ]);
    expect(refund).toBeNull();
    expect(JSON.stringify([end, events])).not.toContain('session-1');
  });

  it('completes without ids if the provider’s ids cannot be assigned, and records `unmapped`', async () => {
    const { patch, events } = moved(row, await step.call(providerThatAnswers(null), call, row));
    expect(events[0]!.data).toEqual({ authenticatorIds: null, unmapped: true });
    expect(patch.authenticators).toMatchObject([
      { id: null, name: 'a' },
      { id: null, name: 'b' },
    ]);
  });

  it('completes without ids if a caller resolves the unknown outcome as done', () => {
    const lost = aRow({ ...row, state: 'outcome_unknown', step: 'create-authenticators' });
    const decision = { type: 'resolved', actor: 'caller' } as const;
    const { patch } = move(lost, 'resolved_done', { decision }, { now: lost.now, settings: config });
    expect(patch.authenticators).toMatchObject([{ id: null }, { id: null }]);
  });

  it('keeps the passkeys of earlier submissions', async () => {
    const earlier = { ...pending[0]!, id: 'id-0', createdAt: 'then' };
    const seen = { ...row, authenticators: [earlier] };
    const { patch } = moved(seen, await step.call(providerThatAnswers(['id-a', 'id-b']), call, seen));
    expect(patch.authenticators).toMatchObject([earlier, { id: 'id-a' }, { id: 'id-b' }]);
  });

  it('cannot decrypt secrets of another onboarding', async () => {
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
  ])(
    'turns the provider’s reason for a refusal into a result for the caller: %s',
    (reason, signal, result) => {
      const end = step.rejected(row, refusal(reason));
      expect(end).toMatchObject({ signal, facts: { result } });
      const { patch, refund } = moved(row, end);
      expect(patch).toMatchObject({ lastResult: result, pendingAuthenticators: [] });
      expect(refund).toBeNull();
    },
  );

  it.each([
    ['/authenticators', { deviceSigning: null }],
    ['/device', { deviceSigning: { publicKey: 'k' } as Row['deviceSigning'] }],
  ])('names the member of the caller’s request that the provider refused: %s', (pointer, more) => {
    const end = step.rejected({ ...row, ...more }, refusal('attestation_invalid'));
    expect(end).toMatchObject({ facts: { result: { errors: [{ pointer, code: 'upstream_refused' }] } } });
  });

  it('asks for a new code if no time is left for another try', () => {
    const end = step.gaveUp();
    expect(end.signal).toBe('session_expired');
    const { patch } = moved(row, end);
    expect(patch).toMatchObject({
      state: 'otp_needed',
      reason: 'session_expired',
      pendingAuthenticators: [],
    });
  });
});
