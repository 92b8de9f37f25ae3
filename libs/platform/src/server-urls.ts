import { accessSync, constants } from 'node:fs';
import { z } from 'zod';

/**
 * The end of a sentence that begins with the variable's name. It repeats no part of the URL that may be
 * secret.
 */
type Fault = string | null;

const NO_HOST = '-';

/** Refuses parts that node-postgres would ignore or misread. */
export const databaseUrl = () =>
  serverUrl(['postgres:', 'postgresql:'], findDatabaseFault).transform(asVerified);

/** Refuses parts that ioredis would ignore or misread. */
export const redisUrl = () => serverUrl(['redis:', 'rediss:'], findRedisFault);

function serverUrl(protocols: string[], findFault: (parsed: URL) => Fault) {
  return z.string({ error: 'is missing' }).superRefine((value, ctx) => {
    const fault = findUrlFault(value, protocols, findFault);
    if (fault !== null) ctx.addIssue({ code: 'custom', message: fault });
  });
}

function findUrlFault(value: string, protocols: string[], findFault: (parsed: URL) => Fault): Fault {
  const starts = protocols.map((protocol) => `${protocol}//`);
  if (!starts.some((start) => value.startsWith(start))) {
    return `is not a URL that starts with ${starts.join(' or ')}`;
  }
  if (hostsOf(value).includes(',')) {
    return 'names several hosts, and only one can be used: name one, or a proxy in front of them';
  }
  const parsed = parsedUrl(value);
  if (parsed === null) {
    return (
      'is not a URL: its port must be a number up to 65535; ' +
      'in a user or password, percent-encode each of / ? # @ :'
    );
  }
  if (parsed.hash !== '' || value.endsWith('#')) return 'has a #: in a password, write %23 for it';
  if (parsed.port === '0') return 'has port 0, which no server listens on';
  if (![parsed.username, parsed.password, parsed.hostname, parsed.pathname].every(isEncoded)) {
    return 'has a % without two hex digits: in a password, write %25 for it';
  }
  const twice = [...parsed.searchParams.keys()].find((name, at, all) => all.indexOf(name) !== at);
  if (twice !== undefined) return `has the parameter ${shown(twice)} twice`;
  return findFault(parsed);
}

/** The URL of a socket may have a user but no host. Node.js cannot parse it without this impossible host. */
function parsedUrl(value: string): URL | null {
  return URL.parse(value) ?? URL.parse(value.replace('@/', `@${NO_HOST}/`));
}

/** Percent-encoded. */
export const passwordIn = (value: string): string => parsedUrl(value)?.password ?? '';

/** The text between user and path, even if the URL is invalid. */
function hostsOf(value: string): string {
  const authority = /^[a-z]+:\/\/([^/?#]*)/.exec(value)?.[1] ?? '';
  return authority.slice(authority.lastIndexOf('@') + 1);
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/**
 * An odd name may be a part of a password, because the text after a ? in a password is parsed as parameters.
 */
const shown = (name: string) => (/^[A-Za-z_]{1,40}$/.test(name) ? name : 'with an odd name');

const OURS = new Set([
  'client_encoding',
  'encoding',
  'statement_timeout',
  'lock_timeout',
  'query_timeout',
  'idle_in_transaction_session_timeout',
  'application_name',
  'fallback_application_name',
]);
const FILES = ['sslcert', 'sslkey', 'sslrootcert'];
const TAKEN = new Set(['host', 'options', 'ssl', 'sslmode', 'sslnegotiation', 'uselibpqcompat', ...FILES]);
const SSL = new Set(['true', '1', '0', 'no-verify']);
const SSL_MODES = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full'];

function findDatabaseFault({ hostname, pathname, searchParams }: URL): Fault {
  const named = hostname !== '' && hostname !== NO_HOST;
  for (const name of searchParams.keys()) {
    if (OURS.has(name)) return `has the parameter ${name}, which Gangway sets by itself`;
    if (!TAKEN.has(name)) {
      const known = [...TAKEN].join(', ');
      return `has the parameter ${shown(name)}, which would have no effect: allowed are ${known}`;
    }
  }
  const host = searchParams.get('host');
  if (host?.includes(',')) return 'names several hosts, and only one can be used: name one, or a proxy';
  if (host !== null && !host.startsWith('/'))
    return 'has a host parameter that is not the path of a socket folder';
  if (host !== null && named) return 'names a host twice: before the path, and as a parameter';
  if (host === null && !named) {
    return 'names no host: for a socket, write postgres://user@/database?host=/var/run/postgresql';
  }
  if (pathname.length < 2) return 'names no database';
  return findTlsFault(searchParams);
}

function findTlsFault(parameters: URLSearchParams): Fault {
  const mode = parameters.get('sslmode');
  const libpq = parameters.get('uselibpqcompat') === 'true';
  if (mode === 'prefer' || mode === 'allow') {
    return `has sslmode=${mode}: the driver does not fall back to plain text; use disable or verify-full`;
  }
  if (mode !== null && !SSL_MODES.includes(mode)) {
    return `has an sslmode that is not one of: ${SSL_MODES.join(', ')}`;
  }
  if (libpq && mode === 'no-verify')
    return 'has sslmode=no-verify, which is not possible with uselibpqcompat=true';
  if (libpq && mode === 'verify-ca' && !parameters.has('sslrootcert')) {
    return 'has sslmode=verify-ca without sslrootcert, the path of the authority’s certificate';
  }
  const ssl = parameters.get('ssl');
  if (ssl !== null && !SSL.has(ssl))
    return 'has the parameter ssl with another value than true, 1, 0 and no-verify: use sslmode instead';
  if (ssl !== null && mode !== null) return 'has both ssl and sslmode';
  const negotiation = parameters.get('sslnegotiation');
  if (negotiation !== null && negotiation !== 'postgres' && negotiation !== 'direct') {
    return 'has an sslnegotiation that is neither postgres nor direct';
  }
  const file = FILES.find((name) => parameters.has(name) && !isReadable(parameters.get(name)!));
  return file === undefined ? null : `has a parameter ${file} that names no readable file`;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** node-postgres treats `require` and `verify-ca` like `verify-full` now, but a later version will not. */
function asVerified(value: string): string {
  const { searchParams } = parsedUrl(value)!;
  if (!/^(require|verify-ca)$/.test(searchParams.get('sslmode') ?? '')) return value;
  if (searchParams.get('uselibpqcompat') === 'true') return value;
  return value.replace(/([?&]sslmode=)(require|verify-ca)/, '$1verify-full');
}

function findRedisFault({ hostname, pathname, searchParams }: URL): Fault {
  const parameter = [...searchParams.keys()].find((name) => name !== 'family');
  if (parameter !== undefined) return `has the parameter ${shown(parameter)}: only family is allowed`;
  const family = searchParams.get('family');
  if (family !== null && !['0', '4', '6'].includes(family)) return 'has a family that is not one of: 0, 4, 6';
  if (hostname === '' || hostname === NO_HOST) return 'names no host: a socket cannot be used';
  if (!/^\/?\d{0,9}$/.test(pathname)) return 'has a path that is not a database number, such as /1';
  return null;
}
