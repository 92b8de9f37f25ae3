import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { answerCreationOptions } from './passkey-answer.js';

const USAGE = `Makes a software passkey: reads the answer of POST …/authenticators/options from standard input,
prints the body for POST …/authenticators.

  --options <file>             read the options from a file instead
  --origin <url>               the page that asks (default: https://<rp.id of the options>)
  --name <text>                authenticatorName (default: "Software passkey")
  --alg <ES256|RS256|EdDSA>    default: the first of the options that it can make
  --attestation <none|packed>  default: none
  --help`;

const ALGORITHMS = { ES256: -7, RS256: -257, EdDSA: -8 } as const;
const ATTESTATIONS = { none: 'none', packed: 'packed' } as const;

/** The table's value for a flag, undefined for a flag not given. */
function choice<T>(flag: string, value: string | undefined, table: Record<string, T>): T | undefined {
  if (value === undefined) return undefined;
  if (!Object.hasOwn(table, value)) throw new Error(`--${flag} is one of ${Object.keys(table).join(', ')}`);
  return table[value];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      options: { type: 'string' },
      origin: { type: 'string' },
      name: { type: 'string' },
      alg: { type: 'string' },
      attestation: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return console.log(USAGE);
  const choices = {
    origin: values.origin,
    authenticatorName: values.name,
    alg: choice('alg', values.alg, ALGORITHMS),
    attestation: choice('attestation', values.attestation, ATTESTATIONS),
  };
  const input = values.options ? readFileSync(values.options, 'utf8') : await text(process.stdin);
  console.log(JSON.stringify(answerCreationOptions(input, choices)));
}

main().catch((error: Error) => {
  console.error(`passkey: ${error.message}`);
  process.exitCode = 1;
});
