import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A way to a server that can be barred and opened again: what a network does to a connection. */
export interface Gate {
  port: number;
  /** Cuts what is connected; whoever comes is refused. */
  bar(): Promise<void>;
  open(): Promise<void>;
  /** Lets nothing through on what is connected, and says nothing. */
  stall(): void;
  /** Lets everything through so much later, in both directions; 0 ends it. */
  slow(delayMs: number): void;
}

/** @param target the URL of the server behind it. */
export async function openGate(target: string): Promise<Gate> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let delayMs = 0;
  const held = () =>
    new Transform({
      transform(chunk, _encoding, done) {
        if (delayMs === 0) done(null, chunk);
        else setTimeout(() => done(null, chunk), delayMs).unref();
      },
    });
  const forward = (client: Socket) => {
    const server = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.pipe(held()).pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  };
  let listener = await listen(0, forward);
  const own = (listener.address() as AddressInfo).port;
  return {
    port: own,
    async bar() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    async open() {
      if (!listener.listening) listener = await listen(own, forward);
    },
    slow(ms) {
      delayMs = ms;
    },
    stall() {
      for (const socket of sockets) socket.pause();
    },
  };
}

/** A free port outside of the range for outgoing connections, because one of these could take it meanwhile. */
export async function closedPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    const server = await listen(port, () => undefined).catch(() => null);
    if (server === null) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

async function listen(port: number, serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer(serve).listen(port, '127.0.0.1');
  server.unref(); // a gate that a test leaves open must not keep jest running
  await once(server, 'listening');
  return server;
}
