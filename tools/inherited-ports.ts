/**
 * Loaded into each app of `npm start` before its own code. If the starter already holds the app's port, the app listens on
 * the inherited socket. So no other program can take the port between the starter's choice and the app's start. The code of
 * the apps does not know of this; elsewhere they bind their ports themselves.
 */
import { Server } from 'node:net';

export const INHERITED_PORTS = 'GANGWAY_INHERITED_PORTS';

export interface InheritedPort {
  address: string;
  port: number;
  fd: number;
}

const inherited = JSON.parse(process.env[INHERITED_PORTS] ?? '[]') as InheritedPort[];
// Only this process has the socket: a process that it starts must not look for it.
delete process.env[INHERITED_PORTS];

type Listen = (this: Server, ...args: unknown[]) => Server;
const prototype = Server.prototype as { listen: Listen };
const listen = prototype.listen;

/** Found by its address, or the first one of the port if the app names none. "localhost" stands for all. */
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
