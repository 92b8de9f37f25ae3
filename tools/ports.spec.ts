import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ensureFree, holdPort, letGo, onFreePort, portFromEnv, PortTaken } from './ports.js';

let said: string[];
beforeEach(() => {
  said = [];
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
});
afterEach(() => void jest.restoreAllMocks());

describe('holdPort', () => {
  let neighbour: Server;
  let taken: number;

  beforeEach(async () => {
    neighbour = createServer();
    await new Promise<void>((resolve) => neighbour.listen(0, '127.0.0.1', resolve));
    taken = (neighbour.address() as AddressInfo).port;
  });
  afterEach(() => void neighbour.close());

  it('skips a taken port, and prints the port that it uses instead', async () => {
    const held = await holdPort('the service', taken);
    expect(held.port).toBeGreaterThan(taken);
    expect(said.join('')).toContain(`port ${taken} is taken: the service uses ${held.port}`);
    await letGo(held);
  });

  it('uses the next port if the port is taken on one of the addresses', async () => {
    const held = await holdPort('the demo', taken, ['127.0.0.2', '127.0.0.1']);
    expect(held.port).toBeGreaterThan(taken);
    await letGo(held);
  });

  it('skips an address that this machine lacks', async () => {
    const held = await holdPort('the demo', taken, ['127.0.0.1', '192.0.2.1']);
    expect(held.sockets).toHaveLength(1);
    await letGo(held);
  });

  it('gives each port to only one of many calls at the same time, and to no other process', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => holdPort('each', taken)));
    expect(new Set(all.map(({ port }) => port)).size).toBe(8);
    const rival = `require('net').createServer().listen(${all[0]!.port}, '127.0.0.1')`;
    const child = spawn(process.execPath, ['-e', rival], {
      stdio: 'ignore',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect(await once(child, 'exit')).toEqual([1, null]);
    await Promise.all(all.map(letGo));
    await ensureFree(all[0]!.port);
  });
});

describe('onFreePort', () => {
  it('tries the next port if another program was faster', async () => {
    const asked: number[] = [];
    const started = await onFreePort('Redis', 63_790, async (port) => {
      asked.push(port);
      if (asked.length < 3) throw new PortTaken('by another program');
      return `on ${port}`;
    });
    expect([started, asked]).toEqual(['on 63792', [63_790, 63_791, 63_792]]);
    expect(said).toEqual(['  port 63790 is taken: Redis uses 63792\n']);
  });

  it('fails if no port is free, or at an error other than PortTaken', async () => {
    const none = onFreePort('Redis', 65_530, () => Promise.reject(new PortTaken('always')));
    await expect(none).rejects.toThrow('none of the ports 65530 to 65535 is free');
    await expect(onFreePort('Redis', 1, () => Promise.reject(new Error('no disk')))).rejects.toThrow(
      'no disk',
    );
  });
});

describe('portFromEnv', () => {
  afterEach(() => {
    delete process.env['SOME_PORT'];
  });

  it('returns the fallback if the variable is not set', () => {
    expect(portFromEnv('SOME_PORT', 3000)).toBe(3000);
  });

  it.each(['http', '0', '65536', '30.5', '-1'])('refuses "%s" and names the variable', (text) => {
    process.env['SOME_PORT'] = text;
    expect(() => portFromEnv('SOME_PORT', 3000)).toThrow(/SOME_PORT must be a port/);
  });
});
