import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a server that can be barred and opened again: what a network does to a connection. */
export interface Gate {
  port: number;
  /** Cuts what is connected; whoever comes is refused. */
  bar(): Promise<void>;
  open(): Promise<void>;
  /** Lets nothing through on what is connected, and says nothing. */
  stall(): void;
}

/** @param target the URL of the server behind it. */
export async function openGate(target: string): Promise<Gate> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const forward = (client: Socket) => {
    const server = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
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
    stall() {
      for (const socket of sockets) socket.pause();
    },
  };
}

/** A port of this machine that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = await listen(0, () => undefined);
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listen(port: number, serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer(serve).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
