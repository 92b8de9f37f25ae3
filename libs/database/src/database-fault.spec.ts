import { createServer, type Server } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createDataSource } from './data-source.js';
import { findOutage, isConnectionLost, isDatabaseAway } from './database-fault.js';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });

const AWAY = 'The database is away.';
const BUSY = 'The database is busy.';
const READ_ONLY = 'The database takes no writes at the moment.';
const REFUSED = 'The database refuses this service.';

describe('an error of PostgreSQL', () => {
  it.each([
    // The columns: SQLSTATE, cause, sentence for callers (null if the statement is wrong), whether the
    // connection is closed.
    ['08006', 'connection failure', AWAY, true],
    ['08P01', 'a pooler refuses', AWAY, true],
    ['25006', 'a server that takes no writes', READ_ONLY, false],
    ['25P03', 'idle in a transaction for too long', AWAY, true],
    ['25P04', 'a transaction that took too long', BUSY, true],
    ['26000', 'a prepared statement that is gone', REFUSED, true],
    ['28P01', 'wrong password', REFUSED, false],
    ['28000', 'access denied', REFUSED, false],
    ['3D000', 'no such database', REFUSED, false],
    ['40001', 'serialization failure', BUSY, false],
    ['40P01', 'deadlock', BUSY, false],
    ['42P05', 'a prepared statement that is there', REFUSED, true],
    ['53100', 'disk full', BUSY, true],
    ['53200', 'out of memory', BUSY, true],
    ['53300', 'too many connections', BUSY, true],
    ['53400', 'a limit of its configuration', BUSY, true],
    ['55P03', 'another statement holds the lock', BUSY, false],
    ['57014', 'the statement took too long', BUSY, true],
    ['57P01', 'terminated by an administrator', AWAY, true],
    ['57P02', 'another process crashed', AWAY, true],
    ['57P03', 'starting up', AWAY, true],
    ['57P05', 'idle for too long', AWAY, true],
    ['58030', 'I/O error', AWAY, true],
    ['ECONNREFUSED', 'nothing listens', AWAY, true],
    ['ECONNRESET', 'reset', AWAY, true],
    ['EPIPE', 'a socket that is closed', AWAY, true],
    ['EAI_AGAIN', 'no name server', AWAY, true],
    ['22P02', 'no such UUID', null, false],
    ['23505', 'unique violation', null, false],
    ['25001', 'a statement that cannot run in a transaction', null, false],
    ['25P02', 'a transaction that has failed and was not ended', null, true],
    // After these errors, a later try does not help.
    ['42501', 'a role without a right', null, false],
    ['42P01', 'no such table', null, false],
    ['55000', 'not in that state', null, false],
    ['GW001', 'a clause that refused', null, false],
    ['XX000', 'internal error', null, true],
    ['XX001', 'damaged data', null, true],
    ['ENOENT', 'a file', null, true],
  ])(
    'with the SQLSTATE %s (%s) has the right text, and closes the connection if it must',
    (code, _, words, lost) => {
      expect([findOutage(withCode(code)), isConnectionLost(withCode(code))]).toEqual([words, lost]);
    },
  );
});

describe('isDatabaseAway', () => {
  it('finds an outage in the combined error for a host with several addresses', () => {
    expect(isDatabaseAway(new AggregateError([withCode('EINVAL'), withCode('ECONNREFUSED')]))).toBe(true);
    expect(isDatabaseAway(new AggregateError([withCode('EINVAL')]))).toBe(false);
  });

  it.each([undefined, null, 'ECONNREFUSED', { code: 'ECONNREFUSED' }, new Error('no')])(
    'does not report an outage for %p',
    (error) => {
      expect(isDatabaseAway(error)).toBe(false);
    },
  );

  it('reports an outage for a closed port', async () => {
    const error = await createDataSource({ url: 'postgres://x@127.0.0.1:1/x' })
      .initialize()
      .catch((reason: unknown) => reason);
    expect(isDatabaseAway(error)).toBe(true);
  });

  it.each([
    ['hangs up', (server: Server) => server.on('connection', (socket) => socket.destroy())],
    ['never answers', (server: Server) => server.on('connection', (socket) => socket.resume())],
  ])('reports an outage for a server that %s', async (_, behave) => {
    const server = createServer();
    behave(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const client = new Client({ host: '127.0.0.1', port, user: 'x', connectionTimeoutMillis: 50 });
    client.on('error', () => undefined);
    const error = await client.connect().catch((reason: unknown) => reason);
    expect(isDatabaseAway(error)).toBe(true);
    await client.end().catch(() => undefined);
    server.close();
  });
});
