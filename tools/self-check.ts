import { pathToFileURL } from 'node:url';
import { COMMANDS } from '#launcher/commands';
import { flagsOrExit } from '#launcher/flags';
import { Plain, runTool, say } from './console.js';
import { walkOnboarding } from './walk-onboarding.js';

/**
 * Completes one onboarding with a running service and sandbox. API_KEY must contain an API key.
 *
 *   node tools/gangway.mjs self-check --service http://127.0.0.1:3000 --sandbox http://127.0.0.1:4000
 */
async function main(): Promise<void> {
  const values = flagsOrExit(COMMANDS['self-check'], process.argv.slice(2));
  const apiKey = process.env['API_KEY'];
  if (!apiKey) throw new Plain('API_KEY is not set. Set it to a key that the service accepts.');
  await walkOnboarding({
    serviceUrl: values.service,
    sandboxUrl: values.sandbox,
    apiKey,
    integration: values.integration,
    rpId: values['rp-id'],
    origin: values.origin,
    print: say,
  });
  say('Self check passed.');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runTool(main);
