import { createServer, type Server } from 'node:net';
import { Plain, say } from './console.js';

const TRIES = 50;
const LOOPBACK = '127.0.0.1';

/** A port on which this process listens, so that no other program takes it before the child process. */
export interface HeldPort {
  readonly port: number;
  /** The child inherits these sockets through its stdio. This process then closes its own copies. */
  readonly sockets: readonly Server[];
}

/** Another program uses the port. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}

/** @returns undefined if this machine has no such address */
function listen(port: number, host: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    // A client that connects before the child runs would wait for an answer.
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(undefined);
      else reject(new PortTaken(`${host}:${port}: ${error.message}`));
    });
    server.listen({ port, host, exclusive: true }, () => resolve(server));
  });
}

/** Closes this process's copies of the sockets. Those of a child process stay open. */
export async function letGo({ sockets }: HeldPort): Promise<void> {
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.close(resolve))));
}

async function hold(port: number, hosts: readonly string[]): Promise<HeldPort> {
  const sockets: Server[] = [];
  try {
    for (const host of hosts) {
      const socket = await listen(port, host);
      if (socket) sockets.push(socket);
    }
  } catch (error) {
    await letGo({ port, sockets });
    throw error;
  }
  return { port, sockets };
}

/**
 * Runs `start` with the preferred port, or with the next free one, and prints the port if it differs.
 *
 * @param who the name of the server, for the message
 * @param start is called again with the next port if it throws PortTaken
 * @throws Plain if none of the 50 ports from the preferred one on is free
 */
export async function onFreePort<T>(
  who: string,
  preferred: number,
  start: (port: number) => Promise<T>,
): Promise<T> {
  const end = Math.min(preferred + TRIES, 65_536);
  for (let port = preferred; port < end; port += 1) {
    try {
      const started = await start(port);
      if (port !== preferred) say(`  port ${preferred} is taken: ${who} uses ${port}`);
      return started;
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error;
    }
  }
  throw new Plain(`${who}: none of the ports ${preferred} to ${end - 1} is free.`);
}

/** Takes a port for a child process. Skips `hosts` that this machine does not have. */
export const holdPort = (
  who: string,
  preferred: number,
  hosts: readonly string[] = [LOOPBACK],
): Promise<HeldPort> => onFreePort(who, preferred, (port) => hold(port, hosts));

/**
 * Checks a port of 127.0.0.1, for a server that inherits no sockets. Another program may still take it.
 *
 * @throws PortTaken
 */
export const ensureFree = async (port: number): Promise<void> => letGo(await hold(port, [LOOPBACK]));

/** @throws Plain if the variable is set, but is not a port number */
export function portFromEnv(variable: string, fallback: number): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new Plain(`${variable} must be a port from 1 to 65535, not "${text}".`);
  }
  return port;
}
