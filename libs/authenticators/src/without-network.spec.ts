import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { aPasskeyPolicy } from '#libs/testing';
import {
  androidKey,
  apple,
  androidSafetyNet,
  type StatementLies,
} from '../../../test/passkeys/attestations.js';
import { authority, revocationListAt } from '../../../test/passkeys/certificates.js';
import { trustRoot } from '../../../test/passkeys/trusted-root.js';
import { createPasskey, type Attest } from '../../../tools/passkey.js';
import { certificatesOf, isVerified, readAttestationObject, trusted } from './attestation.js';
import { withoutNetwork } from './without-network.js';

const rpId = 'app.example.com';
const origin = `https://${rpId}`;
const challenge = 'Y2hhbGxlbmdlLW9mLWEtdGVzdA';

/** The server with the certificate's revocation list. */
let server: Server;
let url: string;
let asked = 0;
let distrust: () => void;
beforeAll(async () => {
  server = createServer((_, response) => {
    asked += 1;
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/list.crl`;
  distrust = trustRoot();
});
beforeEach(() => {
  asked = 0;
});
afterAll(async () => {
  distrust();
  await new Promise((closed) => server.close(closed));
});

const made = (attestation: Attest) => createPasskey({ rpId, origin, challenge, attestation });
const policy = aPasskeyPolicy({ rpId, origins: [origin] });
const verified = (attestation: Attest) => {
  const response = made(attestation);
  const object = readAttestationObject(response.response.attestationObject);
  return isVerified(response, object, certificatesOf(object), { policy, challenge });
};

describe('a certificate with the address of a revocation list', () => {
  const listed = (): StatementLies => ({ leaf: { extensions: [revocationListAt(url)] } });

  it.each<[string, (lies: StatementLies) => Attest]>([
    ['android-safetynet', (lies) => androidSafetyNet(lies)],
    ['apple', (lies) => apple(lies)],
  ])('causes no request to that address: %s', async (_, make) => {
    await verified(make(listed()));
    expect(asked).toBe(0);
  });

  it('causes no request even if its root is not trusted', async () => {
    const root = authority([revocationListAt(url)]);
    const attestation = androidKey({ root });
    expect(await verified(attestation)).toBe(false);
    expect(asked).toBe(0);
    const object = readAttestationObject(made(attestation).response.attestationObject);
    expect(() => trusted(object, certificatesOf(object))).toThrow('do not lead to a trusted root');
  });

  it('is accepted without a download of that list', async () => {
    expect(await verified(androidSafetyNet(listed()))).toBe(true);
    expect(asked).toBe(0);
  });
});

describe('withoutNetwork', () => {
  it('blocks the network only for the given work', async () => {
    const [inside, outside] = await Promise.allSettled([
      withoutNetwork(async () => {
        await Promise.resolve();
        return fetch(url);
      }),
      fetch(url),
    ]);
    expect(inside.status).toBe('rejected');
    expect(outside.status).toBe('fulfilled');
    expect(asked).toBe(1);
  });
});
