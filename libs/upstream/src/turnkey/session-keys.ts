import { Secret } from '#libs/kernel';
import {
  localSigner,
  newSessionKey,
  openSessionKey,
  stampTurnkeyRequest,
  type SigningEngineName,
  type SigningKey,
} from '#libs/signing';
import type { Call } from '../upstream-provider.js';
import { SigningKeys } from '../signing-keys.js';
import { refusesApiKey } from './refusal.js';
import type { Stamper } from './turnkey-api.js';

/** The key of a user's session, in server custody: made once per submission, and the same for each of its tries. */
export async function keptSessionKey(
  call: Pick<Call, 'kept'>,
  engine: SigningEngineName,
): Promise<{ key: SigningKey; privateKey: Secret }> {
  let made: ReturnType<typeof newSessionKey> | undefined;
  const hex = await call.kept('session-key', () => {
    made = newSessionKey(engine);
    return made.privateKey.reveal();
  });
  if (made) return made;
  const privateKey = new Secret(hex);
  return { key: openSessionKey(privateKey, engine), privateKey };
}

/** Stamps with the key of the parent organization, or with the other one where upstream refuses that. */
export const parentStamper = (keys: SigningKeys): Stamper => stamperOf('parent', keys);

/** Stamps with the key of a session, which is in this process. */
export const sessionStamper = (key: SigningKey): Stamper =>
  stamperOf('session', new SigningKeys([localSigner(key)]));

const stamperOf = (whose: Stamper['whose'], keys: SigningKeys): Stamper => ({
  whose,
  send: (oneTry, body, send) =>
    keys.send({
      leftMs: () => oneTry.leftMs,
      refusesKey: refusesApiKey,
      again: () => oneTry.refused(),
      send: async (sign) =>
        send({ ...(await sign((signer, limits) => stampTurnkeyRequest(signer, body, limits))) }),
    }),
});

/** Passes on what the user's device has stamped. */
export const deviceStamper = (stamp: Record<string, string>): Stamper => ({
  whose: 'session',
  send: (_oneTry, _body, send) => send(stamp),
});
