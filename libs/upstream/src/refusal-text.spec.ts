import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Secret } from '#libs/kernel';
import { cpuMs } from '#libs/testing';
import { errorTexts } from '../../../apps/sandbox/src/byzantine/error-texts.js';
import { NOTHING_SENT, UpstreamError } from './port/upstream-error.js';
import { redacted, withoutValues } from './refusal-text.js';

describe('the redacted text of a refusal', () => {
  it.each([
    ['The code 012345 is wrong for ana@example.com', 'The code <number> is wrong for <email>'],
    ['user 6ba7b810-9dad-41d1-80b4-00c04fd430c8 has no wallet', 'user <id> has no wallet'],
    ['see https://api.example.com/x?token=abc for help', 'see <url> for help'],
    ['MAX_PASSKEYS_REACHED: at most 10 passkeys', 'MAX_PASSKEYS_REACHED: at most 10 passkeys'],
    ['session 4f3c2b1a0d9e8f7a6b5c expired', 'session <id> expired'],
    ['call +49 (151) 123-45 67 now', 'call <number> now'],
    ['the code QXKWPZ is over', 'the code <word> is over'],
    ['{"accountId":"x","userName":"Пётр"}', '{"accountId":"x","userName":"<id>"}'],
    ['line one\n\tline two\0', 'line one line two'],
    ['code 1 2 3 4 5 6 is wrong', 'code <number> is wrong'],
    ['code 12, 34, 56 is wrong', 'code <number> is wrong'],
    ['ana%40example.com is not known', '<email> is not known'],
  ])('for "%s" is "%s"', (text, expected) => {
    expect(redacted(text)).toBe(expected);
  });

  it('keeps sentences that consist only of words', () => {
    for (const text of Object.values(errorTexts).filter((each) => typeof each === 'string')) {
      expect(redacted(text)).toBe(text);
    }
  });

  it('is the same for texts that differ only in ids', () => {
    expect(redacted(`no user ${randomUUID()}`)).toBe(redacted(`no user ${randomUUID()}`));
  });

  it('has at most 300 characters', () => {
    expect(redacted('wrong '.repeat(1_000)).length).toBeLessThanOrEqual(300);
  });

  it('never ends in half a character, which PostgreSQL would refuse', () => {
    const text = redacted(`${'a '.repeat(149)}x😀 tail`);
    expect(text.isWellFormed()).toBe(true);
  });

  it.each([
    ['of letters', 'a'.repeat(100_000)],
    ['of one-letter words', 'a.'.repeat(50_000)],
    ['of unfinished e-mail addresses', '"a'.repeat(50_000)],
    ['that Unicode makes longer', '\uFDFA'.repeat(2_000)],
    ['of digits and separators', '1,,,,'.repeat(20_000)],
  ])('takes less than 100 ms to make from a long text %s', (_name, text) => {
    expect(cpuMs(() => redacted(text))).toBeLessThan(100);
  });

  const hex = fc
    .uint8Array({ minLength: 8, maxLength: 33 })
    .map((bytes) => Buffer.from(bytes).toString('hex'));
  const secrets = {
    'a code of digits': fc.stringMatching(/^\d{4,9}$/),
    'a code of letters and digits': fc.stringMatching(/^[A-Z]{1,4}\d[A-Z0-9]{3,4}$/),
    'an e-mail address': fc.emailAddress(),
    'a phone number': fc.stringMatching(/^\+[1-9]\d{6,14}$/),
    'a UUID': fc.uuid(),
    'a key in hex': hex,
    'a token': fc.constant(null).map(() => randomBytes(24).toString('base64url')),
    'bytes in base64': fc.constant(null).map(() => randomBytes(32).toString('base64')),
  };
  const between = fc.constantFrom('', ' ', '"', "'", ': ', '=', '(', ',', '<', '>', '\n', '.', '/', '\\');
  const around = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('the code', 'user', ''),
  );

  it.each(Object.entries(secrets))('never contains %s, whatever is around it', (_name, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, around, between, between, around, (secret, before, left, right, after) => {
        const text = redacted(`${before}${left}${secret}${right}${after}`).toLowerCase();
        expect(text.includes(secret.toLowerCase())).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('withoutValues', () => {
  it('removes sent values, in each form in which a text may repeat them', () => {
    const given = [
      { contact: { type: 'email', value: 'Ana "x" <ana@example.com>' } },
      { type: 'code', code: new Secret('elephant') },
      [{ name: 'My (old) phone', transports: ['internal'] }],
    ];
    const said = [
      'code ELEPHANT is wrong for Ana "x" <ana@example.com>',
      JSON.stringify({ name: 'Ana "x" <ana@example.com>' }),
      encodeURIComponent('My (old) phone'),
      'My (old) phone: internal error',
    ].join('\n');
    expect(withoutValues(new Secret(said), given).reveal()).toBe(
      'code <sent> is wrong for <sent>\n{"name":"<sent>"}\n<sent>\n<sent>: internal error',
    );
  });

  it.each([
    ['mailbox ana.lopez is full', 'mailbox <sent> is full'],
    ['user Schmidt is locked', 'user <sent> is locked'],
    ['no LOPEZ at example.com', 'no <sent> at <sent>.<sent>'],
    ['annaschmidts', 'annaschmidts'],
    ['a bad request was sent', 'a bad request was sent'],
  ])('removes the words of sent values from "%s"', (said, expected) => {
    const given = [
      { contact: { type: 'email', value: 'ana.lopez@example.com' }, name: 'Anna Schmidt' },
      { organizationId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8', note: 'It sent' },
    ];
    expect(withoutValues(new Secret(said), given).reveal()).toBe(expected);
  });

  it('removes any sent text of four characters or more', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 4, unit: 'grapheme-ascii' }), fc.string(), (sent, around) => {
        const text = withoutValues(new Secret(`${around}${sent}${around}`), [
          { sent: new Secret(sent) },
        ]).reveal();
        expect(text.replaceAll('<sent>', '').includes(sent) && !'<sent>'.includes(sent)).toBe(false);
      }),
    );
  });
});

describe('a long refusal whose kept part ends inside a sent value', () => {
  const value = 'elephant walks home';
  const shownOf = (unit: string, kept: number) => {
    const room = 2_000 - kept;
    const before = unit.repeat(Math.floor(room / unit.length)).padEnd(room);
    const error = new UpstreamError('rejected', { detail: 'refused', evidence: NOTHING_SENT });
    const { text } = error.saying(400, before + value).unknownText!;
    return redacted(withoutValues(text, [{ name: value }]).reveal());
  };

  it.each([
    ['after sent values, whose placeholders become one', `${value} `],
    ['after letters with combining accents, which become one placeholder', 'e\u0301e\u0301e\u0301 '],
    ['after spaces, which become one', ' '],
  ])('is redacted without the beginning of that value, %s', (_where, unit) => {
    for (let kept = 4; kept < value.length; kept++) {
      expect(shownOf(`${unit}`, kept)).not.toMatch(/elep|walk/);
    }
  });
});
