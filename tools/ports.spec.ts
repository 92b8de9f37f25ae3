import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { findPort, portFromEnv } from './ports.js';

describe('findPort', () => {
  let neighbour: Server;
  let taken: number;
  let said: string[];

  beforeEach(async () => {
    said = [];
    jest.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
    neighbour = createServer();
    await new Promise<void>((resolve) => neighbour.listen(0, '127.0.0.1', resolve));
    taken = (neighbour.address() as AddressInfo).port;
  });

  afterEach(() => {
    jest.restoreAllMocks();
    neighbour.close();
  });

  it('goes on from a taken port and says so', async () => {
    const port = await findPort('the service', taken);
    expect(port).toBeGreaterThan(taken);
    expect(said.join('')).toContain(`port ${taken} is taken: the service uses ${port}`);
  });

  it('gives a port out once, since who got it may not listen yet', async () => {
    const first = await findPort('one', taken);
    expect(await findPort('another', first)).not.toBe(first);
  });
});

describe('portFromEnv', () => {
  afterEach(() => {
    delete process.env['SOME_PORT'];
  });

  it('takes the fallback where nothing is set', () => {
    expect(portFromEnv('SOME_PORT', 3000)).toBe(3000);
  });

  it.each(['http', '0', '65536', '30.5', '-1'])('refuses "%s", naming the variable', (text) => {
    process.env['SOME_PORT'] = text;
    expect(() => portFromEnv('SOME_PORT', 3000)).toThrow(/SOME_PORT must be a port/);
  });
});
