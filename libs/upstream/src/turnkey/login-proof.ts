import { clientSignatureMessage, verifyClientSignature } from '#libs/signing';

/**
 * Checks a device's signature of the message that opens its session (Turnkey public API, `clientSignature`).
 *
 * @param signature raw r‖s in hex
 * @throws InvalidProofError if this key has not signed this message
 */
export function readLoginProof(
  { publicKey, loginMessage }: { publicKey: string; loginMessage: string },
  signature: string,
) {
  const { tokenId } = JSON.parse(loginMessage) as { tokenId: string };
  return verifyClientSignature(
    { publicKey, scheme: 'CLIENT_SIGNATURE_SCHEME_API_P256', message: loginMessage, signature },
    { publicKey, usage: { tokenId, login: { publicKey } } },
  );
}

export const loginMessageOf = (tokenId: string, publicKey: string): string =>
  clientSignatureMessage({ tokenId, login: { publicKey } });
