import { readFileSync } from 'node:fs';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';

/**
 * From verifyAttestationApple.test.ts and verifyAttestationAndroidKey.test.ts of @simplewebauthn/server (MIT
 * licence). The certificates have expired.
 */
export interface RealAttestation {
  at: Date;
  rpId: string;
  origin: string;
  challenge: string;
  response: RegistrationResponseJSON;
}

interface Credential {
  id: string;
  attestationObject: string;
  clientDataJSON: string;
}

const { iphone, pixel, droidCa2 } = JSON.parse(
  readFileSync(new URL('./real-attestations.json', import.meta.url), 'utf8'),
) as { iphone: Credential; pixel: Credential; droidCa2: string };

const responseOf = ({ id, attestationObject, clientDataJSON }: Credential): RegistrationResponseJSON => ({
  id,
  rawId: id,
  type: 'public-key',
  clientExtensionResults: {},
  response: { attestationObject, clientDataJSON },
});

export const IPHONE: RealAttestation = {
  at: new Date('2020-09-13T12:00:00Z'),
  rpId: 'dev.dontneeda.pw',
  origin: 'https://dev.dontneeda.pw',
  challenge: 'h5xSyIRMx2IQPr1mQk6GD98XSQOBHgMHVpJIkMV9Nkc',
  response: responseOf(iphone),
};

export const PIXEL: RealAttestation = {
  at: new Date('2025-02-02T10:00:00Z'),
  rpId: 'localhost',
  origin: 'http://localhost:8000',
  challenge: 't4LWI0iYJSTWPl9WXUdNhdHAnrPDLF9eWAP9lHgmHP8',
  response: responseOf(pixel),
};

/** A real intermediate certificate for Android keys, signed by Google's root of 2026. */
export const DROID_CA2 = Buffer.from(droidCa2, 'base64');
