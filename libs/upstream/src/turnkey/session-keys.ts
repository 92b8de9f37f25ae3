import { Secret } from '#libs/kernel';
import { newPrivateKey, parsePrivateKey, stampTurnkeyRequest, type SigningKey } from '#libs/signing';
import type { Call } from '../port/upstream-provider.js';
import { SigningKeys } from '../transport/signing-keys.js';
import { refusesApiKey } from './refusal.js';
import type { Stamper } from './turnkey-api.js';

/** In server custody: one key per submission, for all its tries. */
export async function keptSessionKey(
  call: Pick<Call, 'kept'>,
): Promise<{ key: SigningKey; privateKey: Secret }> {
  const privateKey = new Secret(await call.kept('session-key', () => newPrivateKey().reveal()));
  return { key: openSessionKey(privateKey), privateKey };
}

/**
 * Without the signature check of the boot, which this process has passed and which blocks for milliseconds.
 */
export const openSessionKey = (privateKey: Secret): SigningKey =>
  parsePrivateKey(privateKey, 'the session key');

/** Stamps with the key of the parent organization, or with the second key if upstream refuses the first. */
export const parentStamper = (keys: SigningKeys): Stamper => stamperOf('parent', keys);

/** Stamps with the key of a session that this process holds. */
export const sessionStamper = (key: SigningKey): Stamper => stamperOf('session', new SigningKeys([key]));

const stamperOf = (whose: Stamper['whose'], keys: SigningKeys): Stamper => ({
  whose,
  send: (oneTry, body, send) =>
    keys.send({
      leftMs: () => oneTry.leftMs,
      refusesKey: refusesApiKey,
      again: () => oneTry.refused(),
      send: async (sign) =>
        send({ ...(await sign((signer, timeoutMs) => stampTurnkeyRequest(signer, body, timeoutMs))) }),
    }),
});

/** Passes on the stamp of the user's device. */
export const deviceStamper = (stamp: Record<string, string>): Stamper => ({
  whose: 'session',
  send: (_oneTry, _body, send) => send(stamp),
});
