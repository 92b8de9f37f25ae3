import { OptionError, parseOptions, USAGE } from './options.js';
import { startSandbox } from './sandbox.js';
import type { Sandbox, SandboxOptions } from './sandbox.js';

function optionsOrExit(): SandboxOptions {
  try {
    const options = parseOptions(process.argv.slice(2), process.env);
    if (options !== 'help') return options;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(`sandbox: ${error.message}`);
    process.exit(2);
  }
}

async function startOrExit(options: SandboxOptions): Promise<Sandbox> {
  try {
    return await startSandbox(options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EADDRINUSE' ? `port ${options.port} is taken; choose another with --port` : message;
    console.error(`sandbox: ${reason}`);
    process.exit(1);
  }
}

const sandbox = await startOrExit(optionsOrExit());
if (sandbox.credential) {
  console.log('no key was given; this new one is valid until the sandbox stops:');
  console.log(`  private key ${sandbox.credential.privateKeyHex}`);
  console.log(`  X-Pubkey    ${sandbox.credential.pubkey}`);
}
const {
  organizationId,
  apiPublicKey,
  apiPrivateKeyHex,
  signerPublicKey,
  notarizerPublicKey,
  authProxyConfigId,
} = sandbox.turnkey;
console.log('Turnkey:');
console.log(`  organization      ${organizationId}`);
if (apiPrivateKeyHex !== null) console.log(`  API private key   ${apiPrivateKeyHex}`);
console.log(`  API public key    ${apiPublicKey}`);
console.log(`  signer key        ${signerPublicKey}`);
console.log(`  notarizer key     ${notarizerPublicKey}`);
console.log(`  Auth Proxy config ${authProxyConfigId}`);
console.log(`sandbox listening on ${sandbox.url}`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void sandbox.close().then(() => process.exit(0)));
}
