import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { COMMANDS } from '#launcher/commands';
import { flagsOrExit } from '#launcher/flags';
import { answerCreationOptions } from './passkey-answer.js';
import type { PasskeyAlgorithm } from './passkey.js';

const ALGORITHMS: Record<string, PasskeyAlgorithm> = { ES256: -7, RS256: -257, EdDSA: -8 };

async function main(): Promise<void> {
  const values = flagsOrExit(COMMANDS['passkey-cli'], process.argv.slice(2));
  const choices = {
    origin: values.origin,
    authenticatorName: values.name,
    alg: values.alg === undefined ? undefined : ALGORITHMS[values.alg],
    attestation: values.attestation === 'packed' ? ('packed' as const) : ('none' as const),
  };
  const input = values.options ? readFileSync(values.options, 'utf8') : await text(process.stdin);
  console.log(JSON.stringify(answerCreationOptions(input, choices)));
}

main().catch((error: Error) => {
  console.error(`passkey: ${error.message}`);
  process.exitCode = 1;
});
