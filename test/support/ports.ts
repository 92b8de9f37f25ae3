import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** @throws Error if another program uses the port. */
export async function listenOn(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1').unref(); // jest can exit even if a test leaves this server open
  await once(server, 'listening');
}

/**
 * Listens on a random port below the range for outgoing connections. An outgoing connection could otherwise
 * take this port while the server is stopped.
 */
export async function listenAnywhere(server: Server): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_768);
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
  return port;
}
