/* oxlint-disable no-underscore-dangle -- the names are those of node-postgres */
import { expect, it } from '@jest/globals';
import { NamedQueries, type Connection } from './named-query.js';

it('the messages of a query that could not be written are not sent with the next query', () => {
  const sent: string[] = [];
  const connection = {
    _send: (chunk: Buffer) => sent.push(String(chunk)) > 0,
    describe: () => undefined,
    sync: () => undefined,
  };
  const queries = new NamedQueries();
  const write = (text: string) => (to: Connection) => void to._send(Buffer.from(text));
  const failing = (to: Connection) => {
    write('half')(to);
    throw new Error('a value that cannot be written');
  };
  expect(() => queries.writeOnce(connection, failing)).toThrow('cannot be written');
  queries.writeOnce(connection, write('whole'));
  expect(sent).toEqual(['whole']);
});
