/**
 * `npm start` loads this file into each app. The app inherits the open socket of its port, so that no other
 * program can take the port. Without `npm start`, apps open their ports themselves.
 */
import { Server } from 'node:net';

export const INHERITED_PORTS = 'GANGWAY_INHERITED_PORTS';

export interface InheritedPort {
  address: string;
  port: number;
  fd: number;
}

const inherited = JSON.parse(process.env[INHERITED_PORTS] ?? '[]') as InheritedPort[];
// Child processes of the app do not inherit the socket.
delete process.env[INHERITED_PORTS];

type Listen = (this: Server, ...args: unknown[]) => Server;
const prototype = Server.prototype as { listen: Listen };
const listen = prototype.listen;

/** If the app gives no address, or "localhost", takes the first socket of the port. */
function take(port: unknown, host: unknown): InheritedPort | undefined {
  const named = inherited.findIndex((socket) => socket.port === Number(port) && socket.address === host);
  const index =
    named === -1 && (host === undefined || host === 'localhost')
      ? inherited.findIndex((socket) => socket.port === Number(port))
      : named;
  return index === -1 ? undefined : inherited.splice(index, 1)[0];
}

if (inherited.length > 0) {
  prototype.listen = function (...args) {
    const [first, second] = args;
    const { port, host } =
      typeof first === 'object' && first !== null
        ? (first as { port?: unknown; host?: unknown })
        : { port: first, host: typeof second === 'string' ? second : undefined };
    const socket = take(port, host);
    if (!socket) return listen.apply(this, args);
    const callback = args.findLast((arg) => typeof arg === 'function');
    return listen.apply(this, [{ fd: socket.fd }, ...(callback ? [callback] : [])]);
  };
}
