import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { listenAnywhere, listenOn } from './ports.js';

/** PostgreSQL's message `ReadyForQuery` after the end of a transaction. */
export const POSTGRES_READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

export interface Passage {
  cut(): void;
  /** Drops the server's bytes. After a chunk that ends with `end`, calls `lost` and cuts the connection. */
  loseAnswer(end: Buffer, lost: () => void): void;
}

interface Interception {
  pattern: RegExp;
  act: (passage: Passage) => unknown;
}

/**
 * Forwards all bytes, and can fail as networks fail. Node.js runs this file without a build, so it may only
 * use types that Node.js can strip.
 */
export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;
  #target: URL;
  #isRefusing = false;
  #isStalled = false;
  #delayMs = 0;
  #interception: Interception | null = null;

  private constructor(target: string) {
    this.#target = new URL(target);
  }

  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.open();
    return proxy;
  }

  /** The server's URL, with the proxy's host and port. */
  get url(): string {
    const url = new URL(this.#target);
    [url.hostname, url.port] = ['127.0.0.1', String(this.#port)];
    return url.href.replace(/\/$/, '');
  }

  /** Connects new clients to another server. */
  leadTo(target: string): void {
    this.#target = new URL(target);
  }

  /** New connections still work. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets connections immediately, as a load balancer without a backend does. */
  refuse(isRefusing = true): void {
    this.#isRefusing = isRefusing;
    if (isRefusing) this.cut();
  }

  /** Holds back all bytes, also those of new connections. */
  stall(isStalled = true): void {
    this.#isStalled = isStalled;
    for (const socket of this.#sockets) {
      if (isStalled) socket.pause();
      else socket.resume();
    }
  }

  /** Holds back bytes forever. New connections still work. */
  stallOpenConnections(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Runs `act` once, before it forwards a client's bytes that match the pattern. */
  intercept(pattern: RegExp, act: Interception['act']): void {
    this.#interception = { pattern, act };
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = server && once(server, 'close');
    server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Opens the same port again. */
  async open(): Promise<void> {
    if (this.#server) return;
    const server = createServer((client) => this.#accept(client));
    if (this.#port === 0) this.#port = await listenAnywhere(server);
    else await listenOn(server, this.#port);
    this.#server = server;
  }

  async mend(): Promise<void> {
    this.refuse(false);
    this.stall(false);
    this.slow(0);
    await this.open();
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#isRefusing) return void client.resetAndDestroy();
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const [toServer, toClient] = [new Lane(server), new Lane(client)];
    let loss: { end: Buffer; lost: () => void } | null = null;
    const passage: Passage = {
      cut: () => client.destroy(),
      loseAnswer: (end, lost) => (loss = { end, lost }),
    };
    this.#join(client, toServer, async (chunk) => {
      const act = this.#actOn(chunk);
      if (act) {
        client.pause();
        await act(passage);
        if (!this.#isStalled) client.resume();
      }
      toServer.pass(chunk, this.#delayMs);
    });
    this.#join(server, toClient, (chunk) => {
      if (!loss) return toClient.pass(chunk, this.#delayMs);
      if (!chunk.subarray(-loss.end.length).equals(loss.end)) return;
      loss.lost();
      server.destroy();
    });
  }

  #join(from: Socket, lane: Lane, take: (chunk: Buffer) => unknown): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => lane.to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      lane.to.destroy();
    });
    from.on('data', take);
    from.on('end', () => lane.end());
    if (this.#isStalled) from.pause();
  }

  #actOn(chunk: Buffer): Interception['act'] | null {
    const { pattern, act } = this.#interception ?? {};
    if (!pattern?.test(chunk.toString('latin1'))) return null;
    this.#interception = null;
    return act!;
  }
}

/** One direction of a connection. Keeps the order of bytes when the delay changes. */
class Lane {
  readonly to: Socket;
  #waiting = 0;
  #before: Promise<unknown> = Promise.resolve();

  constructor(to: Socket) {
    this.to = to;
  }

  pass(chunk: Buffer, delayMs: number): void {
    this.#inOrder(delayMs, () => this.to.writable && this.to.write(chunk));
  }

  end(): void {
    this.#inOrder(0, () => this.to.end());
  }

  #inOrder(delayMs: number, act: () => unknown): void {
    if (delayMs === 0 && this.#waiting === 0) return void act();
    this.#waiting += 1;
    const delay = pause(delayMs, undefined, { ref: false });
    this.#before = Promise.all([this.#before, delay]).then(() => {
      this.#waiting -= 1;
      act();
    });
  }
}
