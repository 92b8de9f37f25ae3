import { readFileSync } from 'node:fs';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';

/** A test vector of https://www.w3.org/TR/webauthn-3/#sctn-test-vectors. */
export interface W3cRegistration {
  /** Format, algorithm and special features. */
  name: string;
  challenge: string;
  response: RegistrationResponseJSON;
}

interface Vector {
  name: string;
  challenge: string;
  id: string;
  clientDataJSON: string;
  attestationObject: string;
}

const { root, vectors } = JSON.parse(
  readFileSync(new URL('./w3c-registrations.json', import.meta.url), 'utf8'),
) as { root: string; vectors: Vector[] };

/** For the relying party example.org. Values are base64url. */
export const W3C_REGISTRATIONS = vectors.map(
  ({ name, challenge, id, clientDataJSON, attestationObject }): W3cRegistration => ({
    name,
    challenge,
    response: {
      id,
      rawId: id,
      type: 'public-key',
      clientExtensionResults: {},
      response: { clientDataJSON, attestationObject },
    },
  }),
);

/** The root of all certificates in the vectors, as PEM. */
export const W3C_ROOT = [
  '-----BEGIN CERTIFICATE-----',
  Buffer.from(root, 'base64url').toString('base64'),
  '-----END CERTIFICATE-----\n',
].join('\n');
