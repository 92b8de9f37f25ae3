import { Gangway } from './gangway.js';
import { createServer } from './server.js';
import { Users } from './users.js';

/** @param {string} name @param {string} [fallback] */
function setting(name, fallback) {
  const value = process.env[name] || fallback;
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

/** @param {string} name @param {string} [fallback] */
function address(name, fallback) {
  const value = setting(name, fallback);
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) throw new Error(`${name} is not an http(s) URL`);
  return value;
}

async function main() {
  const port = Number(setting('DEMO_PORT', '3100'));
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('DEMO_PORT is not a port');
  const sandboxUrl = address('SANDBOX_URL', 'http://127.0.0.1:4000');
  const integration = setting('GANGWAY_INTEGRATION', 'byzantine');
  const gangway = new Gangway({
    url: address('GANGWAY_URL', 'http://127.0.0.1:3000'),
    apiKey: setting('GANGWAY_API_KEY'),
  });
  const app = createServer(gangway, new Users({ sandboxUrl, integration }), {
    integration,
    mailboxUrl: address('MAILBOX_URL', new URL('/_sandbox/', sandboxUrl).href),
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close());
  const listening = await app.listen({ port, host: setting('DEMO_HOST', 'localhost') });
  console.log(`demo listening on http://localhost:${new URL(listening).port}`);
}

main().catch((error) => {
  console.error(`The demo does not start: ${error.message}.`);
  process.exitCode = 1;
});
