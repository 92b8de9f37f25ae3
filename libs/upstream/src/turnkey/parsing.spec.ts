import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import type { OtpChoice } from '../port/upstream-provider.js';
import { checkedDefaults, overlaid, parseAuthProxyChoice, parseInitOtpChoice } from './otp-choice.js';
import { keyOfContact, parseTurnkeySubject } from './turnkey-subject.js';

const PARENT = '11111111-2222-4333-8444-555555555555';
const organizationId = '550e8400-e29b-41d4-a716-446655440000';
const userId = '6ba7b810-9dad-41d1-80b4-00c04fd430c8';
const email = { type: 'email', value: 'ana@example.com' };

function pointersOf(parse: () => unknown): string[] {
  try {
    parse();
  } catch (error) {
    expect(error).toMatchObject({ code: 'validation_failed' });
    return (error as ProblemError).errors!.map(({ pointer }) => pointer);
  }
  throw new Error('it was accepted');
}

describe('a subject at Turnkey', () => {
  const server = (value: unknown) => parseTurnkeySubject(value, 'server', PARENT);

  it('is identified by its contact, in any spelling and with any ids', () => {
    const contact = { type: 'email', value: 'Ana@Example.COM' };
    expect(server({ contact })).toEqual({
      subject: { contact: email },
      key: 'email:ana@example.com',
      personal: ['contact'],
    });
    expect(keyOfContact('Ana@Example.COM')).toBe('email:ana@example.com');
    expect(keyOfContact('+33612345678')).toBe('phone:+33612345678');
    expect(['ana', '0612345678', 'a@b', ''].map(keyOfContact)).toEqual([null, null, null, null]);
    const placed = server({
      contact,
      organizationId: organizationId.toUpperCase(),
      userId: userId.toUpperCase(),
    });
    expect(placed.subject).toEqual({ contact: email, organizationId, userId });
    expect(placed.key).toBe('email:ana@example.com');
    expect(server({ contact: { type: 'phone', value: '+33612345678' } }).key).toBe('phone:+33612345678');
  });

  it('treats a null id as absent', () => {
    const { subject } = server({ contact: email, organizationId: null, userId: null });
    expect(JSON.parse(JSON.stringify(subject))).toEqual({ contact: email });
    const ids = { organizationId: null, userId };
    const placed = () => parseTurnkeySubject({ contact: email, ...ids }, 'client', PARENT);
    expect(placed).toThrow(
      expect.objectContaining({
        errors: [expect.objectContaining({ detail: expect.stringContaining('is needed') })],
      }),
    );
  });

  it.each<[unknown, string[]]>([
    [undefined, ['/subject']],
    [null, ['/subject']],
    ['ana@example.com', ['/subject']],
    [{}, ['/subject/contact']],
    [{ contact: 'ana@example.com' }, ['/subject/contact']],
    [{ contact: { type: 'fax', value: '1' } }, ['/subject/contact/type']],
    [{ contact: { type: 'email', value: 'ana' } }, ['/subject/contact/value']],
    [{ contact: { type: 'email', value: '+33612345678' } }, ['/subject/contact/value']],
    [{ contact: { type: 'phone', value: '0612345678' } }, ['/subject/contact/value']],
    [{ contact: { type: 'phone', value: '+33 6 12 34 56 78' } }, ['/subject/contact/value']],
    [{ contact: { ...email, verified: true } }, ['/subject/contact/verified']],
    [{ contact: email, email: 'a@b.c' }, ['/subject/email']],
    [{ contact: email, 'a/b~c': 1 }, ['/subject/a~1b~0c']],
    [{ contact: email, organizationId: 'x', userId: 7 }, ['/subject/organizationId', '/subject/userId']],
    [{ contact: email, organizationId: PARENT }, ['/subject/organizationId']],
  ])('%j is refused with a pointer to the error', (value, pointers) => {
    expect(pointersOf(() => server(value))).toEqual(pointers);
  });

  it.each([
    'user@example.xn--p1ai',
    'ann&bob@example.com',
    "o'neil+tag/x=1@sub.example.co",
    '{ann|bob}~`%!$*?^_#@example.com',
    '"ann bob"@example.com',
    String.raw`"a\"@b"@example.com`,
    'ann@[192.0.2.1]',
    'ann@[IPv6:2001:db8::1]',
    `${'a'.repeat(64)}@${'b'.repeat(63)}.example`,
    'ann@123.example',
  ])('accepts the address %s (RFC 5321)', (value) => {
    expect(server({ contact: { type: 'email', value } }).key).toBe(`email:${value.toLowerCase()}`);
  });

  it.each([
    'ann',
    'ann@',
    '@example.com',
    'ann@localhost',
    '.ann@example.com',
    'ann.@example.com',
    'a..b@example.com',
    'ann bob@example.com',
    'ann@exa mple.com',
    'ann@-example.com',
    'ann@example..com',
    'ann@example.com.',
    'ann@exam_ple.com',
    'ann@bob@example.com',
    '<ann@example.com>',
    'ann@example.com\n',
    'ann\u0000@example.com',
    '"a\r\nb"@example.com',
    `${'a'.repeat(65)}@example.com`,
    `ann@${'b'.repeat(64)}.example`,
    `ann@${'b.'.repeat(130)}example`,
  ])('refuses the address %j', (value) => {
    expect(pointersOf(() => server({ contact: { type: 'email', value } }))).toContain(
      '/subject/contact/value',
    );
  });

  it('needs both ids if the device holds the session’s key, because the device signs them', () => {
    const client = (value: unknown) => parseTurnkeySubject(value, 'client', PARENT);
    expect(client({ contact: email, organizationId, userId }).key).toBe('email:ana@example.com');
    expect(pointersOf(() => client({ contact: email }))).toEqual([
      '/subject/organizationId',
      '/subject/userId',
    ]);
    expect(() => client({ contact: email, organizationId })).toThrow(/device signs them/);
  });
});

describe('the options of a code', () => {
  it('treat a null member as absent', () => {
    const nulls = { captchaToken: null, origin: null, emailCustomization: { templateId: null } };
    expect(parseAuthProxyChoice(nulls)).toEqual({ emailCustomization: {} });
    expect(parseInitOtpChoice({ otpType: null, otpLength: 6, smsCustomization: null })).toEqual({
      otpLength: 6,
    });
  });

  it('can be left out', () => {
    for (const parse of [parseInitOtpChoice, parseAuthProxyChoice]) {
      expect(parse(undefined)).toEqual({});
      expect(parse({})).toEqual({});
    }
  });

  it('contain the lifetime as text, whether it came as number or text', () => {
    expect(parseInitOtpChoice({ expirationSeconds: 600 })).toEqual({ expirationSeconds: '600' });
    expect(parseInitOtpChoice({ expirationSeconds: '60' })).toEqual({ expirationSeconds: '60' });
  });

  it.each<[unknown, string[]]>([
    [null, ['/otp']],
    [[], ['/otp']],
    ['email', ['/otp']],
    [{ otpType: 'EMAIL' }, ['/otp/otpType']],
    [{ otpLength: 5 }, ['/otp/otpLength']],
    [{ otpLength: 10 }, ['/otp/otpLength']],
    [{ otpLength: '6' }, ['/otp/otpLength']],
    [{ alphanumeric: 'no' }, ['/otp/alphanumeric']],
    [{ expirationSeconds: 601 }, ['/otp/expirationSeconds']],
    [{ expirationSeconds: 0 }, ['/otp/expirationSeconds']],
    [{ expirationSeconds: '5m' }, ['/otp/expirationSeconds']],
    [{ userIdentifier: '' }, ['/otp/userIdentifier']],
    [{ emailCustomization: { logoUrl: 'logo.png' } }, ['/otp/emailCustomization/logoUrl']],
    [{ emailCustomization: { logoUrl: 'javascript:1' } }, ['/otp/emailCustomization/logoUrl']],
    [
      { emailCustomization: { magicLinkTemplate: 'https://a.example' } },
      ['/otp/emailCustomization/magicLinkTemplate'],
    ],
    [{ emailCustomization: { templateVariables: '[1]' } }, ['/otp/emailCustomization/templateVariables']],
    [{ emailCustomization: { templateVariables: { a: 1 } } }, ['/otp/emailCustomization/templateVariables']],
    [{ emailCustomization: { appName: 'Evil' } }, ['/otp/emailCustomization/appName']],
    [{ smsCustomization: { template: 'no code' } }, ['/otp/smsCustomization/template']],
    [{ sendFromEmailAddress: 'acme' }, ['/otp/sendFromEmailAddress']],
    [{ replyToEmailAddress: 'acme' }, ['/otp/replyToEmailAddress']],
    [{ sendFromEmailSenderName: 7 }, ['/otp/sendFromEmailSenderName']],
    [{ contact: 'b@example.com', appName: 'Evil' }, ['/otp/contact', '/otp/appName']],
  ])('%j is refused with a pointer to the error', (value, pointers) => {
    expect(pointersOf(() => parseInitOtpChoice(value))).toEqual(pointers);
  });

  it.each<[unknown, string[]]>([
    [{ otpLength: 6, otpType: 'OTP_TYPE_EMAIL' }, ['/otp/otpLength', '/otp/otpType']],
    [
      { emailCustomization: { templateId: 't', logoUrl: 'https://a.example/a.png' } },
      ['/otp/emailCustomization/logoUrl'],
    ],
    [{ captchaToken: 'a b' }, ['/otp/captchaToken']],
    [{ captchaToken: 'a\r\nx-stamp: b' }, ['/otp/captchaToken']],
    [{ origin: 'https://app.example.com/path' }, ['/otp/origin']],
    [{ origin: 'app' }, ['/otp/origin']],
  ])('%j is refused at the Auth Proxy, with a pointer to the error', (value, pointers) => {
    expect(pointersOf(() => parseAuthProxyChoice(value))).toEqual(pointers);
  });

  it('are checked at boot if an integration sets them, and an error names the variable', () => {
    expect(() => checkedDefaults('wallet', parseInitOtpChoice, { otpLength: 5, x: 1 })).toThrow(
      /^INTEGRATION_WALLET_OTP_DEFAULTS: otpLength .*; x is not known$/,
    );
    expect(checkedDefaults('wallet', parseInitOtpChoice, { otpLength: 6 })).toEqual({ otpLength: 6 });
  });

  it('are merged into the defaults without a change of the defaults', () => {
    const defaults = { otpLength: 6, emailCustomization: { templateId: 'a' } };
    expect(overlaid<OtpChoice>(defaults, { emailCustomization: { logoUrl: 'b' } })).toEqual({
      otpLength: 6,
      emailCustomization: { templateId: 'a', logoUrl: 'b' },
    });
    expect(defaults.emailCustomization).toEqual({ templateId: 'a' });
  });
});
