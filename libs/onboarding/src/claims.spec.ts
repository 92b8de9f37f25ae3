import { describe, expect, it } from '@jest/globals';
import { illegal } from './claims.js';
import { aRow, after } from '#libs/testing';
import type { Signal } from './machine.js';
import type { Row } from './onboarding.store.js';

describe('illegal', () => {
  it.each<[string, Partial<Row>, Signal, object]>([
    [
      'a step is under way',
      { state: 'otp_submitted', step: 'verify-otp', leaseUntil: after(9000) },
      'otp_submitted',
      {
        code: 'step_in_progress',
        retryable: true,
        extensions: { nextAction: { until: after(9000).toISOString() } },
      },
    ],
    [
      'an outcome is unknown',
      { state: 'outcome_unknown', step: 'verify-otp' },
      'otp_submitted',
      { code: 'outcome_unknown', extensions: { nextAction: { type: 'resolve' } } },
    ],
    [
      'the code has expired',
      { state: 'otp_needed', reason: 'otp_expired' },
      'otp_submitted',
      { code: 'otp_expired', status: 410 },
    ],
    [
      'the session has expired',
      { state: 'otp_needed', reason: 'session_expired' },
      'authenticators_submitted',
      { code: 'session_expired', status: 410 },
    ],
    [
      'no code could be sent',
      { state: 'otp_needed', reason: 'send_failed' },
      'otp_submitted',
      { code: 'illegal_state', status: 409 },
    ],
    [
      'the code comes first',
      { state: 'otp_sent' },
      'authenticators_submitted',
      { code: 'illegal_state', message: expect.stringContaining('code comes first') },
    ],
    [
      'the code was verified',
      { state: 'otp_verified' },
      'otp_submitted',
      { code: 'illegal_state', extensions: { nextAction: { type: 'submit_authenticators' } } },
    ],
  ])('says exactly why: %s', (_, columns, signal, problem) => {
    const row = aRow(columns);
    expect(illegal(row, signal)).toMatchObject({
      ...problem,
      extensions: { state: row.state, ...(problem as { extensions?: object }).extensions },
    });
  });
});
