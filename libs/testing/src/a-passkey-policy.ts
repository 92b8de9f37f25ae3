import type { PasskeyPolicy } from '#libs/platform';

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
