/**
 * Loaded into each app of `npm start` before its own code: where the app listens on a port that the starter holds
 * already, it listens on the socket that it inherited. Between the starter's choice of a port and the app's first
 * request, no other program can take it. The apps know nothing of this; elsewhere they bind their ports themselves.
 */
import { Server } from 'node:net';

export const INHERITED_PORTS = 'GANGWAY_INHERITED_PORTS';

export interface InheritedPort {
  address: string;
  port: number;
  fd: number;
}

const inherited = JSON.parse(process.env[INHERITED_PORTS] ?? '[]') as InheritedPort[];
// The socket is this process's alone: what it starts itself must not look for it.
delete process.env[INHERITED_PORTS];

type Listen = (this: Server, ...args: unknown[]) => Server;
const prototype = Server.prototype as { listen: Listen };
const listen = prototype.listen;

/** By its address, or the first of the port where the app names none: "localhost" is all of them. */
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
