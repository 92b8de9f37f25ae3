import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

/** The length of `HTTP/1.1 100 `, which contains the whole status. */
const STATUS_LINE_BYTES = 13;
/** Status 101 is not an interim answer: after it, the server uses another protocol (RFC 9110 §15.2.2). */
const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d[ \r]/;
const HEAD_END = '\r\n\r\n';
/** The largest head that undici accepts. */
const MAX_HEAD_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * A client must skip interim answers (1xx; RFC 9110 §15.2), but undici destroys the connection at a
 * `100 Continue` (nodejs/undici#197).
 */
export function withoutInterimAnswers(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...result) => {
      if (result[1]) skipInterimAnswers(result[1]);
      callback(...result);
    });
}

function skipInterimAnswers(socket: Socket): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let awaitsHead = false;
  let held: Buffer = NOTHING;

  socket.write = (...args: unknown[]) => {
    awaitsHead = true;
    return write(...args);
  };
  socket.read = (size?: number) => {
    for (;;) {
      const chunk = read(size);
      if (chunk === null || !awaitsHead) return chunk;
      held = afterInterimAnswers(held.length === 0 ? chunk : Buffer.concat([held, chunk]));
      if (mayBeInterim(held) && held.length < MAX_HEAD_BYTES) continue;
      const head = held;
      held = NOTHING;
      awaitsHead = false;
      return head;
    }
  };
}

function afterInterimAnswers(bytes: Buffer): Buffer {
  for (let rest = bytes; ;) {
    const end = isInterim(rest) ? rest.indexOf(HEAD_END) : -1;
    if (end < 0) return rest;
    rest = rest.subarray(end + HEAD_END.length);
  }
}

const mayBeInterim = (bytes: Buffer): boolean => bytes.length < STATUS_LINE_BYTES || isInterim(bytes);

const isInterim = (bytes: Buffer): boolean => INTERIM.test(bytes.toString('latin1', 0, STATUS_LINE_BYTES));
