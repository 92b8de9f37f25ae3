import { isIP } from 'node:net';
import { z } from 'zod';
import { count, type Faults, setting } from './config-values.js';

/** The algorithms that the providers accept, by COSE identifier (RFC 9053 §2, RFC 8812 §2). */
const ALGORITHMS = new Map([
  ['ES256', -7],
  ['RS256', -257],
]);

/** WebAuthn Level 3 §5.4.7. */
const ATTESTATIONS = ['none', 'indirect', 'direct', 'enterprise'] as const;
const REQUIREMENTS = ['required', 'preferred', 'discouraged'] as const;

export interface PasskeyPolicy {
  rpId: string;
  rpName: string;
  /** Compared exactly: web origins, and `android:apk-key-hash:…` of apps. */
  origins: readonly string[];
  userVerification: (typeof REQUIREMENTS)[number];
  residentKey: (typeof REQUIREMENTS)[number];
  attestation: (typeof ATTESTATIONS)[number];
  /** COSE identifiers. The preferred one comes first. */
  algorithms: readonly number[];
  /**
   * In lower case. If there are any, only these authenticator models are allowed, and the attestation must
   * prove the model.
   */
  aaguidAllow: readonly string[];
  /** In lower case. */
  aaguidDeny: readonly string[];
  /** How many passkeys registered through Gangway a user may have. */
  maxAuthenticators: number;
}

const hostname = z
  .string({ error: 'is missing' })
  .regex(/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, {
    error: 'is not a domain name',
    abort: true,
  })
  // For browsers, 127.1 and 2130706433 are IP addresses too, so this check parses the name as a browser does.
  .refine((host) => URL.parse(`https://${host}`)?.hostname === host && isIP(host) === 0, {
    error: 'is an IP address, which passkeys do not allow: give a domain name, or localhost',
  });

const APK_KEY_HASH = 'android:apk-key-hash:';

/** Android's Credential Manager names an app by the SHA-256 of its signing certificate. */
function isOfApp(origin: string): boolean {
  if (!origin.startsWith(APK_KEY_HASH)) return false;
  const hash = origin.slice(APK_KEY_HASH.length);
  const bytes = Buffer.from(hash, 'base64url');
  return bytes.length === 32 && bytes.toString('base64url') === hash;
}

/** Browsers offer `navigator.credentials` only to secure origins (Secure Contexts §3.1). */
const isSecure = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isWithin('localhost', hostname));

const listed = (value: string) => value.split(',').map((each) => each.trim());
const isUnique = (list: readonly string[]) => new Set(list).size === list.length;

const oneOf = <const Words extends readonly [string, ...string[]]>(words: Words, fallback: Words[number]) =>
  z.enum(words, { error: `is not one of: ${words.join(', ')}` }).default(fallback as never);

const aaguids = z
  .string()
  .default('')
  .transform((value) => (value === '' ? [] : listed(value.toLowerCase())))
  .refine((list) => list.every((each) => z.guid().safeParse(each).success), {
    error: 'is not a comma separated list of AAGUIDs, which are written as UUIDs',
    abort: true,
  })
  .refine(isUnique, 'names an AAGUID twice');

export const passkeyEnvironment = {
  RP_ID: setting('The relying party that passkeys are created for.', hostname, {
    values: 'a domain name',
    example: 'example.com',
  }),
  RP_NAME: setting(
    'The relying party’s name, as users see it.',
    z.string({ error: 'is missing' }).min(1, 'is empty').max(64, 'is longer than 64 characters'),
    { values: '1 to 64 characters', example: 'Example Wallet' },
  ),
  ORIGINS: setting(
    'Where passkeys may come from: web origins and Android apps.',
    z
      .string({ error: 'is missing' })
      .transform(listed)
      .refine((origins) => origins.every((each) => isOfApp(each) || URL.parse(each)?.origin === each), {
        error:
          'is not a comma separated list of web origins such as https://app.example.com (no path, no slash ' +
          'at the end), or of android:apk-key-hash: with the 43 characters of a SHA-256 in base64url',
        abort: true,
      })
      .refine((origins) => origins.every((each) => isOfApp(each) || isSecure(new URL(each))), {
        error:
          'has an origin that is not https, which browsers require for passkeys: only localhost may be http',
        abort: true,
      })
      .refine(isUnique, 'names an origin twice'),
    {
      values: '`https://…` or `android:apk-key-hash:…`, with commas between',
      example: 'https://app.example.com',
    },
  ),
  USER_VERIFICATION: setting('Whether the device must verify the user.', oneOf(REQUIREMENTS, 'required'), {
    example: 'preferred',
  }),
  RESIDENT_KEY: setting('Whether a passkey can be found without its id.', oneOf(REQUIREMENTS, 'preferred'), {
    example: 'required',
  }),
  ATTESTATION: setting('The attestation that devices are asked for.', oneOf(ATTESTATIONS, 'none'), {
    example: 'direct',
  }),
  ALGORITHMS: setting(
    'The signature algorithms of passkeys, the preferred one first.',
    z
      .string()
      .default('ES256,RS256')
      .transform(listed)
      .refine((names) => names.every((name) => ALGORITHMS.has(name)), {
        error: 'is not a comma separated list of ES256 and RS256: the providers accept no other',
        abort: true,
      })
      .refine(isUnique, 'names an algorithm twice')
      .transform((names) => names.flatMap((name) => ALGORITHMS.get(name) ?? [])),
    {
      values: '`ES256`, `RS256`, or both with a comma between',
      example: 'ES256',
    },
  ),
  AAGUID_ALLOW: setting(
    'Only these authenticator models are accepted, and only with a certificate.',
    aaguids,
    {
      values: 'UUIDs, with commas between',
      example: 'ee882879-721c-4913-9775-3dfcce97072a',
    },
  ),
  AAGUID_DENY: setting('These authenticator models are refused.', aaguids, {
    values: 'UUIDs, with commas between',
    example: 'ee882879-721c-4913-9775-3dfcce97072a',
  }),
  MAX_AUTHENTICATORS: setting('Passkeys that a subject may have through Gangway.', count(10, 1, 10)),
};

/** Adds settings that contradict each other to `faults`. */
export function passkeyPolicyOf(
  own: z.output<z.ZodObject<typeof passkeyEnvironment>>,
  prefix: string,
  faults: Faults,
): PasskeyPolicy {
  const refuse = (variable: string, detail: string) =>
    faults.push({ variable: `${prefix}${variable}`, detail });
  const foreign = own.ORIGINS.filter(
    (each) => !isOfApp(each) && !isWithin(own.RP_ID, new URL(each).hostname),
  );
  if (foreign.length > 0) {
    const those = `${foreign.length} of ${own.ORIGINS.length}`;
    refuse('ORIGINS', `has ${those} origins whose host is neither ${prefix}RP_ID nor a subdomain of it`);
  }
  if (own.AAGUID_ALLOW.length > 0 && own.ATTESTATION === 'none') {
    const detail = `is "none", but ${prefix}AAGUID_ALLOW needs an attestation: it would refuse all passkeys`;
    refuse('ATTESTATION', detail);
  }
  const both = own.AAGUID_ALLOW.filter((aaguid) => own.AAGUID_DENY.includes(aaguid));
  if (both.length > 0) refuse('AAGUID_DENY', `has ${both.join(', ')}, which ${prefix}AAGUID_ALLOW has too`);
  return {
    rpId: own.RP_ID,
    rpName: own.RP_NAME,
    origins: own.ORIGINS,
    userVerification: own.USER_VERIFICATION,
    residentKey: own.RESIDENT_KEY,
    attestation: own.ATTESTATION,
    algorithms: own.ALGORITHMS,
    aaguidAllow: own.AAGUID_ALLOW,
    aaguidDeny: own.AAGUID_DENY,
    maxAuthenticators: own.MAX_AUTHENTICATORS,
  };
}

/**
 * A passkey's relying party is the page's host or a domain above it (WebAuthn Level 3 §5.1.3). Related
 * origins (§5.11) are not supported.
 */
const isWithin = (rpId: string, host: string) => host === rpId || host.endsWith(`.${rpId}`);
