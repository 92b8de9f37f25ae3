import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';

const FOLDER = join(import.meta.dirname, '../../page');

let t: SandboxUnderTest;
beforeAll(async () => {
  t = await sandboxUnderTest();
});
afterAll(() => t.sandbox.close());

const get = (path: string) => fetch(`${t.sandbox.url}/_sandbox${path}`);

describe('the page', () => {
  it.each(['', '/', '/?email=ana@example.com'])('is served at /_sandbox%s', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toContain('<title>Sandbox</title>');
  });

  it('may load only its own files, and may not be framed', async () => {
    const { headers } = await get('/');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|data:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
  });

  it('refers only to files that exist, and each file has the right content type', async () => {
    const page = await (await get('/')).text();
    const named = [...page.matchAll(/(?:src|href)="\/_sandbox(\/[^"]+)"/g)].map(([, path = '']) => path);
    const imported = readdirSync(FOLDER)
      .filter((name) => name.endsWith('.js'))
      .map((name) => `/${name}`);
    const types = {
      js: 'text/javascript; charset=utf-8',
      css: 'text/css; charset=utf-8',
      svg: 'image/svg+xml',
    };
    expect(named).toHaveLength(3);
    for (const path of [...named, ...imported]) {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe(types[path.split('.')[1] as keyof typeof types]);
    }
    expect(page).not.toMatch(/<style|style=|<script(?![^>]*src=)| on\w+=/);
  });

  it.each([
    '/nothing.js',
    '/tsconfig.json',
    '/../package.json',
    '/%2e%2e/src/main.ts',
    '/..%2f..%2f..%2fpackage.json',
  ])('does not serve the file %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('leaves /_sandbox/mailbox to the JSON route', async () => {
    const response = await get('/mailbox');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await response.json()).toEqual([]);
  });
});
