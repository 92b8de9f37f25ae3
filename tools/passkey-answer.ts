import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server';
import { createPasskey, type PasskeyAlgorithm, type PasskeyOptions } from './passkey.js';

/** The creation options (WebAuthn §5.1.8) that determine a passkey. */
type CreationOptions = Partial<
  Pick<PublicKeyCredentialCreationOptionsJSON, 'challenge' | 'rp' | 'pubKeyCredParams'>
>;

export interface AnswerChoices {
  /** By default, `https://` and the rp id. */
  origin?: string | undefined;
  authenticatorName?: string | undefined;
  alg?: PasskeyAlgorithm | undefined;
  attestation?: PasskeyOptions['attestation'] | undefined;
}

const ALGORITHMS: readonly PasskeyAlgorithm[] = [-7, -257, -8];

/**
 * Answers creation options with a software passkey, which has their first supported algorithm.
 *
 * @param input the answer of `POST …/authenticators/options`, as JSON text.
 * @returns the body for `POST …/authenticators`.
 * @throws Error that says what is missing. If the input is a problem of the service, the error repeats it.
 */
export function answerCreationOptions(input: string, choices: AnswerChoices = {}) {
  const { challenge, rp, pubKeyCredParams = [] } = parseOptions(input);
  if (!challenge) throw new Error('the options have no "challenge"');

  const rpId = rp?.id ?? (choices.origin && new URL(choices.origin).hostname);
  if (!rpId) throw new Error('the options have no "rp.id", so an origin is needed');

  const offered = pubKeyCredParams.map((param) => ALGORITHMS.find((alg) => alg === param.alg));
  const alg = choices.alg ?? offered.find((known) => known !== undefined);
  if (!alg) throw new Error('the options offer none of the algorithms ES256, RS256 and EdDSA');

  const { origin = `https://${rpId}`, attestation = 'none' } = choices;
  const credential = createPasskey({ rpId, origin, challenge, alg, attestation });
  return {
    authenticators: [{ authenticatorName: choices.authenticatorName ?? 'Software passkey', credential }],
  };
}

function parseOptions(input: string): CreationOptions {
  let parsed: unknown;
  try {
    parsed = JSON.parse(input);
  } catch {
    throw new Error(input.trim() === '' ? 'no options given' : 'the options are not valid JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw new Error('the options are not a JSON object');
  const { code, detail } = parsed as { code?: unknown; detail?: unknown };
  if (typeof code === 'string') {
    throw new Error(`the service answered an error instead of options: ${code}: ${String(detail ?? '')}`);
  }
  return parsed;
}
