import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { closedPort, listenAnywhere } from './ports.js';
import { TcpProxy } from './tcp-proxy.js';

/** Sends each chunk back, with the server's name in front. */
async function startEcho(name: string): Promise<{ url: string; server: Server }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => socket.write(`${name}:${String(data)}`));
  });
  return { server, url: `tcp://127.0.0.1:${await listenAnywhere(server)}` };
}

class Client {
  heard = '';
  ended: string | null = null;

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (data) => (this.heard += String(data)));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => (this.ended ??= code!));
    socket.on('close', () => (this.ended ??= 'closed'));
  }

  async hears(text: string): Promise<void> {
    await until(`it hears ${text}`, () => this.heard.endsWith(text));
  }

  async ends(): Promise<string> {
    await until('the connection ends', () => this.ended !== null);
    return this.ended!;
  }
}

it('closedPort returns a port on which no program listens', async () => {
  const client = new Client(connect(await closedPort(), '127.0.0.1'));
  expect(await client.ends()).toBe('ECONNREFUSED');
});

describe('a TCP proxy', () => {
  let one: Awaited<ReturnType<typeof startEcho>>;
  let other: Awaited<ReturnType<typeof startEcho>>;
  let proxy: TcpProxy;
  const clients: Client[] = [];
  beforeAll(async () => {
    [one, other] = [await startEcho('one'), await startEcho('other')];
  });
  beforeEach(async () => {
    proxy = await TcpProxy.start(one.url);
  });
  afterEach(async () => {
    await proxy.close();
    for (const { socket } of clients.splice(0)) socket.destroy();
  });
  afterAll(() =>
    Promise.all([one, other].map(({ server }) => new Promise((closed) => server.close(closed)))),
  );

  function connected(): Client {
    const { hostname, port } = new URL(proxy.url);
    const client = new Client(connect(Number(port), hostname));
    clients.push(client);
    return client;
  }

  async function greeted(): Promise<Client> {
    const client = connected();
    client.socket.write('hello');
    await client.hears('one:hello');
    return client;
  }

  it('has the same URL as its server, except for host and port', async () => {
    const behind = await TcpProxy.start('postgresql://ann:secret@db.example:5432/gangway?x=1');
    expect(behind.url).toMatch(/^postgresql:\/\/ann:secret@127\.0\.0\.1:\d+\/gangway\?x=1$/);
    expect(behind.url).not.toContain(':5432');
    await behind.close();
  });

  it('forwards bytes, and closes a connection when the other side closes it', async () => {
    const client = await greeted();
    client.socket.end();
    expect(await client.ends()).toBe('closed');
  });

  it('connects new clients to another server', async () => {
    const before = await greeted();
    proxy.leadTo(other.url);
    before.socket.write('still');
    await before.hears('one:still');
    const after = connected();
    after.socket.write('hello');
    await after.hears('other:hello');
  });

  it('resets open connections, and accepts new connections', async () => {
    const client = await greeted();
    proxy.cut();
    expect(await client.ends()).toBe('ECONNRESET');
    await greeted();
  });

  it('refuses connections, and later accepts connections again', async () => {
    const client = await greeted();
    proxy.refuse();
    expect(await client.ends()).toBe('ECONNRESET');
    expect(await connected().ends()).toBe('ECONNRESET');
    proxy.refuse(false);
    await greeted();
  });

  it('closes its port and all connections, and opens the same port again', async () => {
    const { url } = proxy;
    const client = await greeted();
    await proxy.close();
    expect(await client.ends()).toBe('closed');
    expect(await connected().ends()).toBe('ECONNREFUSED');
    await proxy.open();
    expect(proxy.url).toBe(url);
    await greeted();
  });

  it('holds back the bytes of all connections while it stalls', async () => {
    const client = await greeted();
    proxy.stall();
    const late = connected();
    for (const each of [client, late]) each.socket.write('stalled');
    await once(late.socket, 'connect');
    // Without the stall, the bytes would arrive before this direct connection is closed.
    await once(connect(Number(new URL(one.url).port), '127.0.0.1').end(), 'close');
    expect([client.heard, late.heard]).toEqual(['one:hello', '']);
    proxy.stall(false);
    for (const each of [client, late]) await each.hears('one:stalled');
  });

  it('drops the bytes of open connections, and serves new connections', async () => {
    const client = await greeted();
    proxy.stallOpenConnections();
    client.socket.write('dropped');
    await greeted();
    expect(client.heard).toBe('one:hello');
  });

  it('keeps the order of bytes when a delay ends', async () => {
    const client = await greeted();
    proxy.slow(100);
    await new Promise<void>((seen) => {
      proxy.intercept(/slow/, () => seen());
      client.socket.write('slow');
    });
    proxy.intercept(/fast/, () => proxy.slow(0));
    client.socket.write('fast');
    await until('all is heard', () => client.heard.includes('fast'));
    expect(client.heard).toMatch(/slow.*fast/);
  });

  it('runs the action of intercept() once, before it forwards bytes that match the pattern', async () => {
    const client = await greeted();
    let heardBefore: string | null = null;
    proxy.intercept(/^wanted/, async () => (heardBefore = client.heard));
    client.socket.write('other');
    await client.hears('one:other');
    client.socket.write('wanted 1');
    await client.hears('one:wanted 1');
    expect(heardBefore).toBe('one:helloone:other');
    client.socket.write('wanted 2');
    await client.hears('one:wanted 2');
    expect(heardBefore).toBe('one:helloone:other');
  });

  it('cuts the connection on which matching bytes arrive', async () => {
    const [client, bystander] = [await greeted(), await greeted()];
    proxy.intercept(/wanted/, ({ cut }) => cut());
    client.socket.write('wanted');
    await client.ends();
    expect(client.heard).toBe('one:hello');
    bystander.socket.write('wanted');
    await bystander.hears('one:wanted');
  });

  it('drops the answer of the server to matching bytes', async () => {
    const client = await greeted();
    let lost = 0;
    proxy.intercept(/wanted/, ({ loseAnswer }) => loseAnswer(Buffer.from('!'), () => (lost += 1)));
    client.socket.write('wanted');
    client.socket.write(' more!');
    await client.ends();
    expect([client.heard, lost]).toEqual(['one:hello', 1]);
  });

  it('ends all faults when a test calls mend()', async () => {
    proxy.refuse();
    proxy.stall();
    proxy.slow(60_000);
    await proxy.close();
    await proxy.mend();
    await greeted();
  });
});
