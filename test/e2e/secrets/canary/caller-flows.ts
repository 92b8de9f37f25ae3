import { randomBytes } from 'node:crypto';
import { bearer, type MadeKey } from '../../../support/callers.js';
import { unique, type Canary } from './canary.js';
import { runToEnd } from './run-to-end.js';

function know(canary: Canary, { token }: { token: string }): void {
  canary.secret('API key', token);
  canary.secret('API key', token.slice(-43));
}

async function keys(canary: Canary): Promise<void> {
  const { story } = canary;
  const make = async (body: object) => {
    const answer = await story.call<MadeKey>('POST', '/v1/admin/api-keys', {
      scopes: ['onboardings:read'],
      ...body,
    });
    know(canary, answer.body);
    return answer.body;
  };
  const key = await make({ caller: 'shop' });
  const list = (token: string) => story.call('GET', '/v1/onboardings?limit=2', undefined, bearer(token));
  await list(key.token);
  await story.call('POST', '/v1/onboardings', { integration: 'byzantine', subject: {} }, bearer(key.token));
  const rotated = await story.call<MadeKey>('POST', `/v1/admin/api-keys/${key.id}/rotate`, { overlapS: 0 });
  know(canary, rotated.body);
  await list(key.token);
  await list(rotated.body.token);
  await story.call('POST', `/v1/admin/api-keys/${rotated.body.id}/revoke`, {});
  await list(rotated.body.token);
  await story.call('GET', '/v1/admin/api-keys');

  // An unknown API key, a text in no known form, and a mistyped API key.
  const unknown = `gw_${randomBytes(10).toString('hex')}_${randomBytes(32).toString('base64url')}`;
  know(canary, { token: unknown });
  const typed = unique('typed');
  canary.secret('refused token', typed);
  for (const authorization of [
    `Bearer ${unknown}`,
    `bearer  ${unknown}`,
    `Basic ${btoa(`x:${typed}`)}`,
    `Bearer ${typed}`,
    typed,
  ]) {
    await story.call('GET', '/v1/onboardings', undefined, { authorization });
  }
  await story.call('GET', '/v1/admin/api-keys', undefined, bearer(`${canary.apiKey.slice(0, -1)}!`));

  // Another caller must see no data of this caller.
  const other = await make({ caller: 'stranger' });
  const { body: all } = await story.call<{
    items: { id: string; subject: { contact?: { value: string } } }[];
  }>('GET', '/v1/onboardings?limit=200');
  const foreign = all.items.find(({ subject }) => subject.contact !== undefined);
  const strange = async (path: string) => {
    const response = await fetch(canary.service.url + path, { headers: bearer(other.token) });
    canary.put('answers to other callers', await response.text());
  };
  await strange('/v1/onboardings');
  await strange(`/v1/onboardings/${foreign?.id}`);
  await strange(`/v1/onboardings?contact=${encodeURIComponent(foreign?.subject.contact?.value ?? '')}`);
}

async function tokens(canary: Canary): Promise<void> {
  const { story, issuer } = canary;
  const [good, foreign] = [await issuer.newKey('good'), await issuer.newKey('foreign', { publish: false })];
  const made = await Promise.all([
    issuer.token(good),
    issuer.token(good, { exp: 1 }),
    issuer.token(good, { aud: 'another service' }),
    issuer.token(good, { scope: 7, sub: { not: 'a name' } }),
    issuer.token(foreign),
    issuer.token(good, {}, { kid: 'unknown' }),
  ]);
  for (const token of made) {
    const [, payload = '', signature = ''] = token.split('.');
    canary.secret('JWT', token);
    canary.secret('JWT', payload);
    canary.secret('JWT', signature);
    await story.call('GET', '/v1/onboardings?limit=1', undefined, bearer(token));
  }
}

/** Only the command that creates a secret may print it. */
async function commandLine(canary: Canary): Promise<void> {
  const { DATABASE_URL = '', DATABASE_POOLER = '', HASH_KEY = '' } = canary.story.env;
  const gangway = async (args: string[], input?: string, env: Record<string, string> = {}) =>
    runToEnd('cli', { NODE_ENV: 'production', DATABASE_URL, DATABASE_POOLER, HASH_KEY, ...env }, args, input);
  const made = await gangway([
    'keys',
    'create',
    '--caller',
    'till',
    '--scopes',
    'onboardings:read',
    '--json',
  ]);
  const key = JSON.parse(made.said) as { id: string; token: string };
  know(canary, key);
  canary.put('command line', made.said.replace(key.token, ''));
  const link = await gangway(['console', 'link', '--name', 'ana', '--role', 'admin']);
  canary.loginLink = link.said.trim();
  const token = new URL(canary.loginLink).searchParams.get('token')!;
  canary.secret('login link', token);
  canary.put('command line', link.said.replace(token, ''));
  const { story } = canary;
  await story.call('GET', '/v1/onboardings?limit=1', undefined, bearer(key.token));
  for (const ended of await Promise.all([
    gangway(['console', 'link', '--name', 'ana', '--role', 'god']),
    gangway(['keys', 'revoke', key.id]),
    gangway(['audit', 'list', '--limit', '1000']),
    gangway(['keys', 'list'], '', { DATABASE_URL: DATABASE_URL.replace(/(@)/, 'x$1') }),
    gangway(['keys', 'list'], '', { HASH_KEY: `${HASH_KEY}${HASH_KEY}` }),
  ])) {
    canary.put('command line', ended.said);
  }
  await story.call('GET', '/v1/onboardings?limit=1', undefined, bearer(key.token));
}

export const callerFlows = (canary: Canary): Promise<unknown> =>
  Promise.all([keys, tokens, commandLine].map((flow) => flow(canary)));
