import { describe, expect, it } from '@jest/globals';
import type { Count, Trouble, View } from './integration-reports.js';
import { findingOf, type IntegrationFinding, type Known } from './integration-verdict.js';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const AT = NOW - 60_000;
const at = '2026-11-28T11:59:00.000Z';
const said = '2026-11-28T11:59:00Z';

const view = (more: Partial<View> = {}): View => ({
  process: 'service-1',
  integration: 'byzantine',
  breaker: 'closed',
  breakerSince: null,
  refusedSince: null,
  refusedStatus: null,
  skewMs: 0,
  signer: null,
  key: null,
  ...more,
});
const trouble = (more: Partial<Trouble> = {}): Trouble => ({
  integration: 'byzantine',
  what: 'init-otp',
  failures: 3,
  since: AT,
  lastAt: AT,
  goodUntil: NOW + 1,
  failure: 'unavailable',
  status: 503,
  ...more,
});
const access = { what: 'access', failures: 1, failure: 'misconfigured', goodUntil: Infinity } as const;
const parked = (more: Partial<Count> = {}): Count => ({
  integration: 'byzantine',
  what: 'parked',
  reason: 'upstream_misconfigured',
  count: 2,
  since: AT,
  ...more,
});
const key = { inUse: 2, count: 2, fingerprint: 'beef' };

const verdict = (known: Partial<Known>) =>
  findingOf({ views: [view()], troubles: [], counts: [], pause: null, now: NOW, ...known }, 10_000);

const UP: [name: string, known: Partial<Known>, finding: IntegrationFinding][] = [
  ['nothing is known about it', { views: [] }, { status: 'up' }],
  ['all is well', {}, { status: 'up' }],
  [
    'a step failed only twice in a row: the last error is shown',
    { troubles: [trouble({ failures: 2 })] },
    {
      status: 'up',
      detail: 'last error: unavailable (503)',
      lastError: { call: 'init-otp', class: 'unavailable', status: 503, at },
    },
  ],
  ['a step failed, but long ago', { troubles: [trouble({ goodUntil: NOW })] }, { status: 'up' }],
  [
    'a probe failed long ago',
    { troubles: [trouble({ what: 'probe', failures: 1, goodUntil: NOW - 1 })] },
    { status: 'up' },
  ],
  ['the clocks differ only a little', { views: [view({ skewMs: 9_999 })] }, { status: 'up' }],
  [
    'outcomes are unknown: their number is shown',
    { counts: [parked({ what: 'outcome_unknown', reason: null, count: 8 })] },
    {
      status: 'up',
      detail: `8 with an unknown outcome, the oldest since ${said}`,
      outcomeUnknown: { count: 8, since: at },
    },
  ],
  ['it has two keys', { views: [view({ key })] }, { status: 'up', detail: 'signs with key 2 of 2, beef' }],
  [
    'processes use different keys',
    { views: [view({ process: 'worker-1', key }), view({ key: { ...key, inUse: 1, fingerprint: 'cafe' } })] },
    {
      status: 'up',
      detail: 'service-1 signs with key 1 of 2, cafe; worker-1 signs with key 2 of 2, beef',
    },
  ],
];

const DOWN: [name: string, known: Partial<Known>, finding: Omit<IntegrationFinding, 'status'>][] = [
  [
    'breakers are open or half open: the processes are listed in order',
    {
      views: [
        view({ process: 'worker-1', breaker: 'half_open', breakerSince: AT }),
        view({ breaker: 'open', breakerSince: AT }),
        view({ process: 'service-0' }),
      ],
    },
    {
      detail:
        `the breaker is open in service-1 since ${said}; ` +
        `the breaker is half_open in worker-1 since ${said}`,
      breakers: [
        { process: 'service-1', state: 'open', since: at },
        { process: 'worker-1', state: 'half_open', since: at },
      ],
    },
  ],
  [
    'an operator has paused it',
    { pause: { integration: 'byzantine', since: AT, by: 'operator:jane', reason: 'their maintenance' } },
    {
      detail: `paused by an operator since ${said}`,
      paused: { since: at },
    },
  ],
  [
    'the provider refuses the requests of a process',
    { views: [view({ refusedSince: AT, refusedStatus: 401 })] },
    { detail: `our requests are refused with 401 since ${said}`, refused: { since: at, status: 401 } },
  ],
  [
    'the provider refused a process that has ended, and no call has succeeded since',
    { views: [], troubles: [trouble({ ...access, status: 403 })] },
    {
      detail: `our requests are refused with 403 since ${said}; last error: misconfigured (403)`,
      refused: { since: at, status: 403 },
      lastError: { call: 'any', class: 'misconfigured', status: 403, at },
    },
  ],
  [
    'the key may only read',
    { views: [view({ refusedSince: AT, refusedStatus: 200 })] },
    { detail: `our key lacks a permission since ${said}`, refused: { since: at, status: 200 } },
  ],
  [
    'calls are not sent because of the clock',
    { views: [view({ refusedSince: AT, skewMs: 40_000 })] },
    {
      detail:
        `our clock or our signer prevents requests since ${said}; ` +
        'the clocks are 40 s apart, as service-1 sees it',
      refused: { since: at },
      clockSkewSeconds: 40,
    },
  ],
  [
    'the signer does not sign',
    {
      views: [
        view({ signer: 'AWS KMS did not sign' }),
        view({ process: 'a', signer: 'AWS KMS did not sign' }),
      ],
    },
    { detail: 'AWS KMS did not sign', unsigned: ['a', 'service-1'] },
  ],
  [
    'the clock of one process differs from the provider’s clock',
    { views: [view({ skewMs: 10_000 }), view({ process: 'worker-1' })] },
    { detail: 'the clocks are 10 s apart, as service-1 sees it', clockSkewSeconds: 10 },
  ],
  [
    'a step failed three times in a row',
    { troubles: [trouble()] },
    {
      detail: `init-otp fails since ${said}, 3 in a row; last error: unavailable (503)`,
      failing: [{ call: 'init-otp', failures: 3, since: at }],
      lastError: { call: 'init-otp', class: 'unavailable', status: 503, at },
    },
  ],
  [
    'a probe failed once',
    { troubles: [trouble({ what: 'probe', failures: 1, failure: 'no_answer', status: null })] },
    {
      detail: `probe fails since ${said}, 1 in a row; last error: no_answer`,
      failing: [{ call: 'probe', failures: 1, since: at }],
      lastError: { call: 'probe', class: 'no_answer', at },
    },
  ],
  [
    'onboardings are parked, for two reasons',
    { counts: [parked(), parked({ reason: 'integration_missing', count: 1, since: AT - 1_000 })] },
    {
      detail: '3 parked since 2026-11-28T11:58:59Z (integration_missing, upstream_misconfigured)',
      parked: {
        count: 3,
        since: '2026-11-28T11:58:59.000Z',
        reasons: { integration_missing: 1, upstream_misconfigured: 2 },
      },
    },
  ],
];

describe('the health of an integration', () => {
  it.each(UP)('is up if %s', (_, known, finding) => {
    expect(verdict(known)).toEqual(finding);
  });

  it.each(DOWN)('is down if %s', (_, known, finding) => {
    expect(verdict(known)).toEqual({ status: 'down', ...finding });
  });
});
