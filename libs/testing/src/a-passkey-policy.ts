import type { PasskeyPolicy } from '#libs/platform';

/** The default policy of an integration with the relying party `app.example.com`. */
export const aPasskeyPolicy = (own: Partial<PasskeyPolicy> = {}): PasskeyPolicy => ({
  rpId: 'app.example.com',
  rpName: 'Acme',
  origins: ['https://app.example.com'],
  userVerification: 'required',
  residentKey: 'preferred',
  attestation: 'none',
  algorithms: [-7, -257],
  aaguidAllow: [],
  aaguidDeny: [],
  maxAuthenticators: 10,
  ...own,
});
