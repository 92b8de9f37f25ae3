import { Secret } from '#libs/kernel';
import {
  newSessionKey,
  openSessionKey,
  stampTurnkeyRequest,
  type SigningEngineName,
  type SigningKey,
} from '#libs/signing';
import type { Call } from '../upstream-provider.js';
import type { Stamper } from './turnkey-api.js';

/** The key of a user's session, in server custody: made once per submission, and the same for each of its tries. */
export async function keptSessionKey(
  call: Pick<Call, 'kept'>,
  engine: SigningEngineName,
): Promise<{ key: SigningKey; privateKey: Secret }> {
  const hex = await call.kept('session-key', () => newSessionKey(engine).privateKey.reveal());
  const privateKey = new Secret(hex);
  return { key: openSessionKey(privateKey, engine), privateKey };
}

/** Stamps with a key of ours. */
export const stamperOf = (key: SigningKey, whose: Stamper['whose']): Stamper => ({
  whose,
  stamp: (body) => ({ ...stampTurnkeyRequest(key, body) }),
});
