import { randomUUID } from 'node:crypto';
import { aClaim } from '#libs/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { uuidV7 } from '#libs/kernel';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { EVENTS } from './events.js';
import { endOf, retryLater } from './attempt-end.js';
import { move } from './move.js';
import type { Row, RowInStep } from './row.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

const settings = {
  LEASE_MS: 30_000,
  OTP_LIFE_MS: 300_000,
  OTP_TRIES: 3,
  OTP_RESEND_COOLDOWN_MS: 0,
  SESSION_MARGIN_MS: 30_000,
  ONBOARDING_IDLE_MS: 1_800_000,
  ONBOARDING_LIFE_MS: 86_400_000,
};

it('all events that SQL statements write in the three steps fit their schemas', async () => {
  const { store, dataSource } = onboardings;
  const id = uuidV7(Date.now());
  const given = {
    id,
    by: { caller: null, integrations: null },
    versions: undefined,
    key: undefined,
    fingerprint: 'f',
    claim: aClaim(),
  };
  const at = (row: Row) => ({ now: row.now, settings });
  const settle = async (row: Row, moved: Parameters<typeof store.settle>[2]) =>
    (await store.settle(row.step!, row, moved, row.now))!;

  let row = (await store.start(
    {
      id,
      caller: 'default',
      integration: 'byzantine',
      provider: 'byzantine',
      subject: {},
      subjectKey: randomUUID(),
      sealedContact: null,
      sealedDataKey: null,
      dataKeyId: null,
      otpChoice: {},
      externalRef: null,
      metadata: {},
      sealedRequests: null,
      fingerprint: 'f',
    },
    aClaim(),
    undefined,
    {},
  ))!;
  const ended = endOf(row, {
    class: 'unavailable',
    effect: 'counted',
    counts: { unavailableCount: 1, noAnswerCount: 0 },
    reveals: 'itself',
    upstreamStatus: 503,
    evidence: { bytesSent: true, headersSeen: true, status: 503, durationMs: 1, detail: 'away' },
    durationMs: 1,
  });
  row = await settle(row, retryLater(row, ended, 0, at(row)));
  row = (await store.retry(row as RowInStep, aClaim(), true))!;
  row = await settle(row, move(row, 'otp_sent', { handle: 'h', targetBundle: null, lifeMs: null }, at(row)));
  await dataSource.query(`UPDATE onboardings SET otp_resend_at = clock_timestamp() WHERE id = $1`, [id]);
  const asked = { type: 'otp_resend_asked', actor: 'caller', data: { reason: 'no mail' } } as const;
  row = (await store.claimSend(given, { states: ['otp_sent'], events: [asked] }))!;
  row = await settle(row, move(row, 'otp_sent', { handle: 'h', targetBundle: null, lifeMs: null }, at(row)));
  row = (await store.claimVerify(given, Buffer.from('code'), null))!;
  const sessionExpiresAt = new Date(row.now.getTime() + 900_000);
  const session = { sealedGrant: Buffer.from('grant'), deviceSigning: null, sessionExpiresAt };
  row = await settle(row, move(row, 'otp_verified', session, at(row)));
  await dataSource.query(
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
     VALUES ($1, 'c', clock_timestamp() + interval '1 minute')`,
    [id],
  );
  row = (await store.claimAuthenticators(given, {
    sealedAuthenticators: Buffer.from('passkeys'),
    pendingAuthenticators: [{ name: 'x', credentialId: randomUUID(), aaguid: '0', transports: [] }],
    challenges: ['c'],
    maxAuthenticators: 3,
  }))!;
  await settle(row, move(row, 'authenticators_created', { authenticatorIds: ['id'] }, at(row)));

  const events = await store.events(id, 0, 99);
  expect(events.map(({ type }) => type)).toEqual([
    'created',
    'attempt_started',
    'attempt_ended',
    'retry_scheduled',
    'attempt_started',
    'otp_sent',
    'otp_resend_asked',
    'attempt_started',
    'otp_sent',
    'otp_submitted',
    'attempt_started',
    'otp_verified',
    'authenticators_submitted',
    'attempt_started',
    'authenticators_created',
    'secrets_wiped',
  ]);
  for (const { type, data } of events) {
    expect([type, EVENTS[type].safeParse(data).error?.issues]).toEqual([type, undefined]);
  }
});
