import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A proxy to a pooler that can run work just before it passes a certain statement on. */
export interface StatementGate {
  port: number;
  /** Runs `work` once: when the next statement comes whose text or values match, and before it is passed on. */
  before(pattern: RegExp, work: () => Promise<void>): void;
  close(): Promise<void>;
}

/** @param port of the pooler, on this machine. */
export async function openStatementGate(port: number): Promise<StatementGate> {
  const sockets = new Set<Socket>();
  let awaited: { pattern: RegExp; work: () => Promise<void> } | null = null;
  const listener = createServer((client) => {
    const pooler = connect(port, '127.0.0.1');
    for (const socket of [client, pooler]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        pooler.destroy();
      });
    }
    pooler.pipe(client);
    client.on('data', (chunk: Buffer) => {
      if (!awaited?.pattern.test(chunk.toString('latin1'))) return pooler.write(chunk);
      const { work } = awaited;
      awaited = null;
      client.pause();
      return work().then(() => {
        pooler.write(chunk);
        client.resume();
      });
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    before(pattern, work) {
      awaited = { pattern, work };
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
