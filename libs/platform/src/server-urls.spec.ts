import { describe, expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { databaseUrl, redisUrl } from './server-urls.js';

const HERE = fileURLToPath(import.meta.url);
const faultOf = (schema: ReturnType<typeof redisUrl> | ReturnType<typeof databaseUrl>, value: string) =>
  schema.safeParse(value).error?.issues[0]?.message ?? null;

describe('the check of DATABASE_URL', () => {
  it.each([
    'postgres://gangway@127.0.0.1:5432/gangway',
    'postgresql://u:p%40ss%2F%23%25@db.example.com/gangway',
    'postgres://u:p@[::1]:5432/gangway',
    'postgres://u@/gangway?host=/var/run/postgresql',
    'postgres:///gangway?host=/var/run/postgresql',
    'postgres://u@%2Fvar%2Frun%2Fpostgresql/gangway',
    'postgres://u@db/gangway?sslmode=disable',
    'postgres://u@db/gangway?sslmode=no-verify',
    `postgres://u@db/gangway?sslmode=verify-full&sslrootcert=${HERE}`,
    'postgres://u@db/gangway?sslmode=require&uselibpqcompat=true',
    'postgres://u@db/gangway?ssl=true',
    'postgres://u@db/gangway?options=endpoint%3Done',
  ])('accepts %s unchanged', (value) => {
    expect(databaseUrl().parse(value)).toBe(value);
  });

  it.each(['require', 'verify-ca'])('treats sslmode=%s as verify-full, as node-postgres does', (mode) => {
    expect(databaseUrl().parse(`postgres://u@db/gangway?sslmode=${mode}`)).toBe(
      'postgres://u@db/gangway?sslmode=verify-full',
    );
  });

  it.each([
    ['mysql://db/gangway', 'is not a URL that starts with postgres:// or postgresql://'],
    ['db:5432/gangway', 'is not a URL that starts with'],
    ['postgres://u:p@a:5432,b:5432/gangway', 'names several hosts'],
    ['postgres://u:p@a,b/gangway', 'names several hosts'],
    ['postgres://u@/gangway?host=a,b', 'names several hosts'],
    ['postgres://u@/gangway?host=db', 'not the path of a socket folder'],
    ['postgres://u@db/gangway?host=/run', 'names a host twice'],
    ['postgres:///gangway', 'names no host'],
    ['postgres://u@db', 'names no database'],
    ['postgres://u@db/', 'names no database'],
    ['postgres://u@db:70000/gangway', 'its port must be a number up to 65535'],
    ['postgres://u@db:port/gangway', 'its port must be a number up to 65535'],
    ['postgres://u@db:0/gangway', 'has port 0'],
    ['postgres://u:p#ss@db/gangway', 'percent-encode each of'],
    ['postgres://u:secret@db/gang#way', 'has a #'],
    ['postgres://u:p%ss@db/gangway', 'has a % without two hex digits'],
    [
      'postgres://u@db/gangway?sslmode=prefer',
      'has sslmode=prefer: the driver does not fall back to plain text',
    ],
    [
      'postgres://u@db/gangway?sslmode=allow',
      'has sslmode=allow: the driver does not fall back to plain text',
    ],
    ['postgres://u@db/gangway?sslmode=on', 'has an sslmode that is not one of: disable, no-verify, require'],
    ['postgres://u@db/gangway?ssl=false', 'has the parameter ssl with another value than'],
    ['postgres://u@db/gangway?ssl=true&sslmode=disable', 'has both ssl and sslmode'],
    [
      'postgres://u@db/gangway?sslmode=verify-full&sslrootcert=/no/file',
      'sslrootcert that names no readable file',
    ],
    ['postgres://u@db/gangway?sslmode=verify-ca&uselibpqcompat=true', 'without sslrootcert'],
    ['postgres://u@db/gangway?target_session_attrs=read-write', 'target_session_attrs, which would have no'],
    ['postgres://u@db/gangway?channel_binding=require', 'channel_binding, which would have no effect'],
    ['postgres://u@db/gangway?schema=public', 'schema, which would have no effect'],
    ['postgres://u@db/gangway?statement_timeout=1', 'statement_timeout, which Gangway sets by itself'],
    ['postgres://u@db/gangway?application_name=x', 'application_name, which Gangway sets by itself'],
    ['postgres://u@db/gangway?sslmode=disable&sslmode=disable', 'has the parameter sslmode twice'],
  ])('refuses %s', (value, fault) => {
    expect(faultOf(databaseUrl(), value)).toContain(fault);
  });
});

describe('the check of REDIS_URL', () => {
  it.each([
    'redis://127.0.0.1',
    'redis://127.0.0.1:6379/',
    'rediss://:p%40ss@cache.example.com:6380/15',
    'redis://u:p@[::1]:6379/2',
    'redis://cache/0?family=6',
  ])('accepts %s unchanged', (value) => {
    expect(redisUrl().parse(value)).toBe(value);
  });

  it.each([
    ['unix:/run/redis.sock', 'is not a URL that starts with redis:// or rediss://'],
    ['redis+sentinel://a/x', 'is not a URL that starts with'],
    ['redis://a:1,b:2/0', 'names several hosts'],
    ['redis://a,b', 'names several hosts'],
    ['redis:///1', 'names no host'],
    ['redis:///run/redis.sock', 'names no host'],
    ['redis://a:port', 'its port must be a number'],
    ['redis://a/one', 'has a path that is not a database number'],
    ['redis://a/-1', 'has a path that is not a database number'],
    ['redis://a/0/1', 'has a path that is not a database number'],
    ['redis://a?db=3', 'has the parameter db: only family is allowed'],
    ['redis://a?keyPrefix=x', 'has the parameter keyPrefix'],
    ['redis://a?family=5', 'has a family that is not one of'],
    ['redis://:p#ss@a', 'percent-encode each of'],
    ['redis://:p%ss@a', 'has a % without two hex digits'],
  ])('refuses %s', (value, fault) => {
    expect(faultOf(redisUrl(), value)).toContain(fault);
  });

  it('never shows a password, in whichever part of the URL it is', () => {
    for (const value of [
      'redis://:hunter22?x@a',
      'redis://:p#hunter22@a/0',
      'redis://a/hunter22',
      'redis://a?hunter22=1',
      'redis://:hunter22%@a',
    ])
      expect(faultOf(redisUrl(), value)).not.toContain('hunter22');
  });
});
