import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** @throws Error if another program uses the port. */
export async function listenOn(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1').unref(); // jest can exit even if a test leaves this server open
  await once(server, 'listening');
}

/** Each jest worker has its own ports, so that no other worker takes a port that a test will open again. */
const PORTS = 1_000;
const firstPort = 20_000 + (Number(process.env['JEST_WORKER_ID'] ?? 0) % 12) * PORTS;
/** Ports that tests of this file expect to be free. */
const closed = new Set<number>();

/**
 * Listens on a random port below the range for outgoing connections, which could otherwise take the port
 * while the server is stopped.
 */
export async function listenAnywhere(server: Server): Promise<number> {
  for (;;) {
    const port = firstPort + randomInt(PORTS);
    if (closed.has(port)) continue;
    try {
      await listenOn(server, port);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

export async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listenAnywhere(server);
  server.close();
  await once(server, 'close');
  closed.add(port);
  return port;
}
