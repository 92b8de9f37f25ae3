import { createServer, type Server } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createDataSource } from './data-source.js';
import { isDatabaseAway, violatedUniqueConstraint } from './database-fault.js';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('isDatabaseAway', () => {
  it.each([
    ['08006', 'connection failure'],
    ['53300', 'too many connections'],
    ['57P01', 'terminated by an administrator'],
    ['57P03', 'starting up'],
    ['ECONNREFUSED', 'nobody listens'],
    ['ECONNRESET', 'reset'],
    ['EAI_AGAIN', 'no name server'],
  ])('takes %s (%s) for an outage', (code) => {
    expect(isDatabaseAway(withCode(code))).toBe(true);
  });

  it.each([
    ['23505', 'unique violation'],
    ['42P01', 'no such table'],
    ['40001', 'serialization failure'],
    ['22P02', 'no such UUID'],
    ['ENOENT', 'a file'],
  ])('takes %s (%s) for an error', (code) => {
    expect(isDatabaseAway(withCode(code))).toBe(false);
  });

  it('looks into the errors of a host with several addresses', () => {
    expect(isDatabaseAway(new AggregateError([withCode('EINVAL'), withCode('ECONNREFUSED')]))).toBe(true);
    expect(isDatabaseAway(new AggregateError([withCode('EINVAL')]))).toBe(false);
  });

  it.each([undefined, null, 'ECONNREFUSED', { code: 'ECONNREFUSED' }, new Error('no')])(
    'is not fooled by %p',
    (error) => {
      expect(isDatabaseAway(error)).toBe(false);
    },
  );

  it('knows what the driver itself throws at a closed port', async () => {
    const error = await createDataSource({ url: 'postgres://x@127.0.0.1:1/x' })
      .initialize()
      .catch((reason: unknown) => reason);
    expect(isDatabaseAway(error)).toBe(true);
  });

  it.each([
    ['hangs up', (server: Server) => server.on('connection', (socket) => socket.destroy())],
    ['never answers', (server: Server) => server.on('connection', (socket) => socket.resume())],
  ])('knows what the driver itself throws at a server that %s', async (_, behave) => {
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

describe('violatedUniqueConstraint', () => {
  it('names the constraint of a unique violation, and nothing else', () => {
    expect(violatedUniqueConstraint(Object.assign(withCode('23505'), { constraint: 'one_live' }))).toBe(
      'one_live',
    );
    expect(violatedUniqueConstraint(Object.assign(withCode('23503'), { constraint: 'fk' }))).toBeNull();
    expect(violatedUniqueConstraint(withCode('23505'))).toBeNull();
    expect(violatedUniqueConstraint(undefined)).toBeNull();
  });
});
