/**
 * An OpenID Connect provider for tests. Its login page has a button for each account.
 *
 * Variables: IDP_PORT, IDP_CONSOLE (the console's origin), IDP_CLIENT_SECRET, IDP_ACCOUNTS (for each account:
 * its name and groups), IDP_THIN ("1": only the userinfo endpoint returns groups), IDP_FORGED ("1": the
 * signing key is not published).
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { IDP_PORT, IDP_CONSOLE, IDP_ACCOUNTS = '{}', IDP_CLIENT_SECRET, IDP_THIN, IDP_FORGED } = process.env;
/** @type {Record<string, string[]>} */
const accounts = JSON.parse(IDP_ACCOUNTS);
const issuer = `http://127.0.0.1:${IDP_PORT}`;
const SCOPES = 'openid profile email';

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'gangway-console',
      client_secret: IDP_CLIENT_SECRET,
      redirect_uris: [`${IDP_CONSOLE}/login/callback`],
      post_logout_redirect_uris: [`${IDP_CONSOLE}/login`],
    },
  ],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email'] },
  conformIdTokenClaims: IDP_THIN === '1',
  cookies: { keys: ['a key of the identity provider of stories'] },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  pkce: { required: () => true },
  findAccount: (_ctx, name) => ({
    accountId: name,
    claims: () => ({
      sub: name,
      preferred_username: accounts[name]?.[0] ?? name,
      groups: accounts[name]?.slice(1),
    }),
  }),
  // Ask for no consent, because the console belongs to the same company.
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({
      clientId: oidc.client.clientId,
      accountId: oidc.session.accountId,
    });
    grant.addOIDCScope(SCOPES);
    await grant.save();
    return grant;
  },
});

const page = (/** @type {string} */ uid) => `<!doctype html><html lang="en"><title>Log in</title>
<h1>Identity provider</h1><form method="post" action="/interaction/${uid}">
${Object.keys(accounts)
  .map((name) => `<button name="account" value="${name}">${name}</button>`)
  .join('')}</form></html>`;

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const forged = JSON.stringify({
  keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }],
});

const handle = provider.callback();
createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '', issuer);
  if (pathname === '/jwks' && IDP_FORGED === '1') {
    return response.setHeader('content-type', 'application/json').end(forged);
  }
  if (!pathname.startsWith('/interaction/')) return handle(request, response);
  try {
    if (request.method === 'GET') {
      const { uid } = await provider.interactionDetails(request, response);
      return response.setHeader('content-type', 'text/html').end(page(uid));
    }
    let form = '';
    for await (const chunk of request) form += chunk;
    const accountId = new URLSearchParams(form).get('account');
    if (accountId === null) {
      return await provider.interactionFinished(request, response, { error: 'access_denied' });
    }
    return await provider.interactionFinished(request, response, { login: { accountId } });
  } catch (error) {
    return response.writeHead(500).end(String(error));
  }
}).listen(Number(IDP_PORT), '127.0.0.1', () => process.stdout.write(`listening on ${issuer} \n`));
