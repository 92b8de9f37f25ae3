import { describe, expect, it } from '@jest/globals';
import { OptionError, parseOptions } from './options.js';

const KEY = '0x026ff03b949241ce1dadd43519e6960e0a85b41a69a05c328103aa2bce1594ca16';
const OTHER = '0x0307810ea974cea5773e63b897f37e3be9a09e7a5fe9b971a44d1065ac2a3a9311';

describe('the options of the sandbox', () => {
  it('have default values', () => {
    expect(parseOptions([], {})).toEqual({
      host: '127.0.0.1',
      port: 4000,
      pubkeys: [],
      acceptAnySubject: false,
      turnkey: { apiPublicKeys: [], captcha: false },
    });
  });

  it('are read from flags', () => {
    const line =
      `--host ::1 --port 0 --pubkey ${KEY}:read_only:audit --pubkey ${OTHER} --accept-any-subject ` +
      '--code-life-ms 1000 --session-life-ms 2000 --rp-id example.com ' +
      '--origins https://a.example,https://b.example';
    expect(parseOptions(line.split(' '), {})).toEqual({
      host: '::1',
      port: 0,
      pubkeys: [`${KEY}:read_only:audit`, OTHER],
      acceptAnySubject: true,
      codeLifeMs: 1000,
      sessionLifeMs: 2000,
      rpId: 'example.com',
      origins: ['https://a.example', 'https://b.example'],
      turnkey: { apiPublicKeys: [], captcha: false },
    });
  });

  it('are read from the environment if no flag is given', () => {
    const env = {
      SANDBOX_HOST: '0.0.0.0',
      SANDBOX_PORT: '4001',
      SANDBOX_PUBKEYS: `${KEY}, ${OTHER}:read_only`,
      SANDBOX_ACCEPT_ANY_SUBJECT: 'true',
      SANDBOX_CODE_LIFE_MS: '5',
      SANDBOX_SESSION_LIFE_MS: '6',
      SANDBOX_RP_ID: 'localhost',
      SANDBOX_ORIGINS: 'http://localhost:3000',
    };
    expect(parseOptions(['--port', '4002'], env)).toEqual({
      host: '0.0.0.0',
      port: 4002,
      pubkeys: [KEY, `${OTHER}:read_only`],
      acceptAnySubject: true,
      codeLifeMs: 5,
      sessionLifeMs: 6,
      rpId: 'localhost',
      origins: ['http://localhost:3000'],
      turnkey: { apiPublicKeys: [], captcha: false },
    });
  });

  it('for Turnkey are read from flags, and a flag overrides its variable', () => {
    const id = '11111111-2222-4333-8444-555555555555';
    const key = (digits: string) => digits.repeat(32);
    const env = {
      SANDBOX_TURNKEY_ORGANIZATION: 'unread',
      SANDBOX_TURNKEY_API_KEYS: `${KEY.slice(2)},${OTHER.slice(2)}`,
      SANDBOX_TURNKEY_NOTARIZER_KEY: key('07'),
      SANDBOX_TURNKEY_CAPTCHA: '1',
    };
    const line =
      `--turnkey-organization ${id} --turnkey-signer-key ${key('04')} --turnkey-auth-proxy-config c-1 ` +
      '--turnkey-origins https://a.example';
    expect(parseOptions(line.split(' '), env)).toMatchObject({
      turnkey: {
        organizationId: id,
        apiPublicKeys: [KEY.slice(2), OTHER.slice(2)],
        signerPrivateKey: key('04'),
        notarizerPrivateKey: key('07'),
        authProxyConfigId: 'c-1',
        allowedOrigins: ['https://a.example'],
        captcha: true,
      },
    });
  });

  it.each([
    [['--port', '70000'], {}, /^--port must be a whole number from 0 to 65535, not "70000"$/],
    [['--port', '-1'], {}, /--port/],
    [[], { SANDBOX_PORT: 'x' }, /^SANDBOX_PORT/],
    [['--code-life-ms', '0'], {}, /^--code-life-ms/],
    [[], { SANDBOX_SESSION_LIFE_MS: '1.5' }, /^SANDBOX_SESSION_LIFE_MS/],
    [['--pubkey', 'abc'], {}, /^--pubkey: "abc" is not a public key/],
    [
      [],
      { SANDBOX_PUBKEYS: `${KEY},0x02${'0'.repeat(63)}1` },
      /^SANDBOX_PUBKEYS: .* not a point of the curve/,
    ],
    [[], { SANDBOX_ACCEPT_ANY_SUBJECT: 'yes' }, /^SANDBOX_ACCEPT_ANY_SUBJECT/],
    [['--origins', 'example.com'], {}, /^--origins: "example.com" is not an origin/],
    [['--turnkey-organization', 'x'], {}, /^--turnkey-organization: "x" is not a UUID/],
    [['--turnkey-api-keys', KEY], {}, /^--turnkey-api-keys: .* is not a public key/],
    [['--turnkey-api-keys', `02${'0'.repeat(63)}1`], {}, /^--turnkey-api-keys: .* not a point of the curve/],
    [[], { SANDBOX_TURNKEY_SIGNER_KEY: 'secret' }, /^SANDBOX_TURNKEY_SIGNER_KEY: (?!.*secret)/],
    [
      [],
      { SANDBOX_TURNKEY_NOTARIZER_KEY: '0'.repeat(64) },
      /^SANDBOX_TURNKEY_NOTARIZER_KEY: .* not a scalar/,
    ],
    [['--turnkey-origins', 'a.example'], {}, /^--turnkey-origins: "a.example" is not an origin/],
    [['--colour', 'red'], {}, /--colour/],
    [['stray'], {}, /stray/],
  ])('are refused with an error that names the option: flags %j, variables %j', (argv, env, message) => {
    expect(() => parseOptions(argv, env)).toThrow(OptionError);
    expect(() => parseOptions(argv, env)).toThrow(message);
  });

  it('include --help and -h, to ask for help', () => {
    expect(parseOptions(['--help'], { SANDBOX_PORT: 'x' })).toBe('help');
    expect(parseOptions(['-h'], {})).toBe('help');
  });
});
