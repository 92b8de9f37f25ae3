import { Secret } from '#libs/kernel';
import { newPrivateKey, parsePrivateKey, stampTurnkeyRequest, type SigningKey } from '#libs/signing';
import type { Call } from '../port/upstream-provider.js';
import { SigningKeys } from '../transport/signing-keys.js';
import { refusesApiKey } from './refusal.js';
import type { Stamper } from './turnkey-api.js';

/** All tries of a command use the same session key. */
export async function keptSessionKey(
  call: Pick<Call, 'kept'>,
): Promise<{ key: SigningKey; privateKey: Secret }> {
  const privateKey = new Secret(await call.kept('session-key', () => newPrivateKey().reveal()));
  return { key: openSessionKey(privateKey), privateKey };
}

/** Without a test signature, which would block the process for some milliseconds. */
export const openSessionKey = (privateKey: Secret): SigningKey =>
  parsePrivateKey(privateKey, 'the session key');

export const parentStamper = (keys: SigningKeys): Stamper => stamperOf('parent', keys);

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

export const deviceStamper = (stamp: Record<string, string>): Stamper => ({
  whose: 'session',
  send: (_oneTry, _body, send) => send(stamp),
});
