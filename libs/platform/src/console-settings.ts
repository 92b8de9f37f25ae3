import { z } from 'zod';
import { ROLES, type Role } from '#libs/kernel';
import {
  PLAIN_IN_PRODUCTION,
  count,
  durationMs,
  isPlain,
  origin,
  secret,
  setting,
  tuning,
  url,
} from './config-values.js';
import type { Faults } from './config-values.js';

/** The role that a value of `OIDC_ROLE_CLAIM` gives. */
export interface RoleRule {
  value: string;
  role: Role;
}

const HOUR_MS = 3_600_000;

/** A comma separated list of `group:role`. The last colon separates them, because a group may have colons. */
const roleRules = z.string().transform((text, context): RoleRule[] =>
  text.split(',').flatMap((entry) => {
    const [, value, word] = /^\s*(\S.*?)\s*:\s*([a-z]+)\s*$/.exec(entry) ?? [];
    const role = ROLES.find((each) => each === word);
    if (value !== undefined && role) return [{ value, role }];
    context.addIssue(`is not a list of value:role (a role is ${ROLES.join(', ')})`);
    return [];
  }),
);

export const consoleSettings = {
  CONSOLE_PORT: setting('The port of the console.', count(3400, 0, 65_535)),
  CONSOLE_URL: setting(
    'The address of the console in a browser. The identity provider returns operators to its ' +
      '`/login/callback`. The default is `http://localhost` with `CONSOLE_PORT`.',
    origin('it').optional(),
    {
      example: 'https://gangway.example.com',
      values: 'scheme, host and port; in production `https://…`, or `http://` to localhost',
    },
  ),
  OIDC_ISSUER: setting(
    'The identity provider of the operators (OpenID Connect). ' +
      'Set all of `OIDC_ISSUER`, `OIDC_CLIENT_ID` and `OIDC_ROLES`, or none.',
    url('https:', 'http:')
      .refine((value) => !/[?#]/.test(value), 'has a query or a fragment, which an issuer cannot have')
      .optional(),
    {
      example: 'https://login.example.com/realms/acme',
      values: '`https://…`; `http://…` outside production, or to localhost',
    },
  ),
  OIDC_CLIENT_ID: setting(
    'The client id of the console at the identity provider.',
    z.string().min(1, 'is empty').optional(),
    { example: 'gangway-console', values: 'text' },
  ),
  OIDC_CLIENT_SECRET: setting(
    'The secret of that client. If it is unset, the client is public, and PKCE alone protects a login.',
    secret(8).optional(),
    { example: '$(openssl rand -base64 32)', values: '8 characters or more' },
  ),
  OIDC_ROLES: setting(
    'The roles of operators, by the values of `OIDC_ROLE_CLAIM`. ' +
      'The highest role counts. An operator without a role cannot log in.',
    roleRules.optional(),
    {
      example: 'gangway-viewers:viewer,gangway-oncall:operator,gangway-admins:admin',
      values: '`value:role`, with commas between; a role is `viewer`, `operator` or `admin`',
    },
  ),
  OIDC_ROLE_CLAIM: setting(
    'The claim with the groups of an operator, as text or as an array of texts. ' +
      'If the ID token does not have it, the console reads the userinfo endpoint.',
    z.string().min(1, 'is empty').default('groups'),
    { example: 'roles', values: 'the name of a claim' },
  ),
  OIDC_SCOPES: setting(
    'The scopes that the console requests. Add the scope of `OIDC_ROLE_CLAIM` if there is one.',
    z
      .string()
      .default('openid profile email')
      .refine((value) => value.split(' ').includes('openid'), 'does not contain openid'),
    { example: 'openid profile groups', values: 'scopes with spaces between' },
  ),
  OPS_PASSWORD: setting(
    'The password of the emergency login, for times when the identity provider is down. ' +
      'If it is unset, there is no emergency login.',
    secret(16).optional(),
    { example: '$(openssl rand -base64 24)', values: '16 characters or more' },
  ),
  OPS_SESSION_IDLE_MS: tuning(
    'A login to the console ends this long after its last use.',
    durationMs(HOUR_MS / 2),
  ),
  OPS_SESSION_LIFE_MS: tuning(
    'A login to the console ends this long after it began.',
    durationMs(8 * HOUR_MS, 8 * HOUR_MS),
  ),
  OPS_LOGIN_TRIES: tuning(
    'Failed emergency logins of one network within `OPS_LOGIN_WINDOW_MS`. ' +
      'All networks together have ten times as many.',
    count(10, 1, 1_000),
  ),
  OPS_LOGIN_WINDOW_MS: tuning(
    'The time in which failed logins are counted, rounded up to seconds.',
    durationMs(300_000),
  ),
};

type LoginSettings = Pick<
  z.output<z.ZodObject<typeof consoleSettings>>,
  'CONSOLE_URL' | 'OIDC_CLIENT_ID' | 'OIDC_CLIENT_SECRET' | 'OIDC_ISSUER' | 'OIDC_ROLES'
>;

const OF_OIDC = ['OIDC_ISSUER', 'OIDC_CLIENT_ID', 'OIDC_ROLES'] as const;

/** If the client secret or any variable in {@link OF_OIDC} is set, all of {@link OF_OIDC} must be set. */
export function halfOfOidc(settings: LoginSettings): Faults {
  const missing = OF_OIDC.filter((variable) => settings[variable] === undefined);
  if (missing.length === OF_OIDC.length && settings.OIDC_CLIENT_SECRET === undefined) return [];
  return missing.map((variable) => ({
    variable,
    detail: `is missing: set all of ${OF_OIDC.join(', ')}, or none of them`,
  }));
}

/** Faults in production: URLs without TLS, and a missing `CONSOLE_URL`. */
export function plainLogins({ OIDC_ISSUER, CONSOLE_URL }: LoginSettings): Faults {
  const faults = Object.entries({ OIDC_ISSUER, CONSOLE_URL })
    .filter(([, value]) => value !== undefined && isPlain(value))
    .map(([variable]) => ({
      variable,
      detail: PLAIN_IN_PRODUCTION,
    }));
  if (OIDC_ISSUER !== undefined && CONSOLE_URL === undefined) {
    faults.push({
      variable: 'CONSOLE_URL',
      detail: 'is missing: the identity provider returns operators to this address',
    });
  }
  return faults;
}
