import { describe, expect, it } from '@jest/globals';
import type { FaultSpec } from '../src/control/fault.dto.js';
import { faultSpec } from '../src/control/fault.dto.js';
import { Faults } from '../src/control/faults.js';
import { KINDS, presetsOf } from './fault-kinds.js';
import { gapWords, timeAgo } from './times.js';
import { answerWords, effectWords, faultWords } from './words.js';

const NOW = '2026-11-20T10:00:00.000Z';

describe('the texts for times', () => {
  it.each([
    ['2026-11-20T09:59:51.000Z', 'just now'],
    ['2026-11-20T09:59:18.000Z', '40 seconds ago'],
    ['2026-11-20T09:58:01.000Z', '1 minute ago'],
    ['2026-11-20T07:00:01.000Z', '2 hours ago'],
    ['2026-11-18T10:00:00.000Z', '2 days ago'],
    ['2026-11-20T10:05:00.000Z', 'in 5 minutes'],
  ])('show the instant %s as %s', (at, words) => {
    expect(timeAgo(at, NOW)).toBe(words);
  });

  it('show how much time passed between two tries', () => {
    expect(gapWords('2026-11-20T09:59:58.500Z', NOW)).toBe('+1.5 s');
    expect(gapWords('2026-11-20T09:57:55.000Z', NOW)).toBe('+2 min 5 s');
  });
});

describe('a fault that the page offers', () => {
  const wordsOf = (spec: FaultSpec) => faultWords(new Faults().add(faultSpec.parse(spec)));

  it.each(['byzantine', 'turnkey', 'auth-proxy'])(
    'is valid and has a description: each common fault of %s',
    (provider) => {
      const words = presetsOf(provider).map(({ spec }) => wordsOf(spec));
      expect(words).toEqual([
        'answered 503',
        'done, then dropped',
        'done, then dropped',
        '3 s late',
        'answered 503',
      ]);
    },
  );

  it.each(KINDS)('is valid and has a description: the kind "$text"', ({ answers, spec }) => {
    const words = wordsOf({ route: '*', delayMs: 500, ...spec, ...(answers && { status: 500 }) });
    expect(words).toMatch(/^0\.5 s late/);
  });
});

describe('the text for a request', () => {
  it.each([
    [200, '200 OK', 'good'],
    [400, '400 Bad request', 'refused'],
    [418, '418', 'refused'],
    [429, '429 Too many requests', 'bad'],
    [503, '503 Unavailable', 'bad'],
    ['cut', 'Connection dropped', 'bad'],
    ['client_gone', 'Caller hung up', 'bad'],
    [null, 'In flight …', 'waiting'],
  ] as const)('with the answer %s is "%s"', (answer, text, tone) => {
    expect(answerWords(answer)).toEqual({ text, tone });
  });

  it.each([
    [null, ''],
    [{ type: 'otp_sent' }, 'code mailed'],
    [{ type: 'otp_missed', triesLeft: 1 }, 'wrong code, 1 try left'],
    [{ type: 'authenticators_created', authenticatorIds: ['a', 'b'] }, '2 passkeys stored'],
    [{ type: 'sub_organization_created' }, 'sub organization created'],
  ])('with the effect %j is "%s"', (effect, words) => {
    expect(effectWords(effect)).toBe(words);
  });
});
