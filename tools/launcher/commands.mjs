/**
 * The commands that take flags. Plain JavaScript, because the launcher checks flags before any package is
 * installed.
 */
export const COMMANDS = {
  start: {
    name: 'npm start',
    summary:
      'Starts PostgreSQL, Redis, sandbox, service, worker, console and demo, walks one onboarding\n' +
      'as a self check, and serves until Ctrl-C.',
    flags: {
      once: { is: 'switch', about: 'ends after the self check; the exit code is 0 if it completed' },
      integration: {
        is: 'choice',
        of: ['byzantine', 'turnkey', 'turnkey-auth-proxy'],
        default: 'byzantine',
        about: 'the provider that the sandbox stands in for',
      },
    },
  },
  reset: {
    name: 'npm run reset',
    summary: 'Deletes the data of the embedded PostgreSQL and Redis. The development keys stay.',
    flags: {},
  },
  env: {
    name: 'npm run -s gangway -- env',
    summary:
      'Prints SERVICE, SANDBOX, DEMO, CONSOLE and API_KEY of the npm start that serves in this folder,\n' +
      'for the shell: eval "$(npm run -s gangway -- env)"',
    flags: { json: { is: 'switch', about: 'prints them as JSON' } },
  },
  'passkey-cli': {
    name: 'npm run passkey',
    summary:
      'Makes a software passkey. Reads the answer of POST …/authenticators/options from standard input,\n' +
      'and prints the body for POST …/authenticators.',
    flags: {
      options: { is: 'text', about: 'a file with the options, instead of standard input' },
      origin: { is: 'text', about: 'origin of the page (default: https://<rp.id of the options>)' },
      name: { is: 'text', about: 'authenticatorName (default: "Software passkey")' },
      alg: {
        is: 'choice',
        of: ['ES256', 'RS256', 'EdDSA'],
        about: 'default: the first supported one of the options',
      },
      attestation: {
        is: 'choice',
        of: ['none', 'packed'],
        default: 'none',
        about: 'format of the attestation',
      },
    },
  },
  'self-check': {
    name: 'node tools/gangway.mjs self-check',
    summary: 'Walks one onboarding with a running service and a running sandbox. Needs the key in API_KEY.',
    flags: {
      service: { is: 'text', default: 'http://127.0.0.1:3000', about: 'address of the service' },
      sandbox: { is: 'text', default: 'http://127.0.0.1:4000', about: 'address of the sandbox' },
      integration: { is: 'text', default: 'byzantine', about: 'name of the integration' },
      'rp-id': { is: 'text', default: 'localhost', about: 'relying party of the integration' },
      origin: { is: 'text', default: 'http://localhost:3100', about: 'an origin of the integration' },
    },
  },
};
