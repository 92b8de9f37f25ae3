import { createECDH } from 'node:crypto';
import { KmsStandIn } from '#libs/testing';
import type { Sandbox } from '../../../../apps/sandbox/src/sandbox.js';
import { ORIGIN, RP_ID } from '../../../support/story.js';
import { DOORS, throughDoor } from '../../../support/turnkey-door.js';

export interface KeyPair {
  /** In hex. */
  privateKey: string;
  /** Compressed, in hex. */
  publicKey: string;
}

export interface Keys {
  byzantine: readonly [KeyPair, KeyPair];
  turnkey: readonly [KeyPair, KeyPair];
}

export function newKey(): KeyPair {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  return {
    privateKey: ecdh.getPrivateKey('hex').padStart(64, '0'),
    publicKey: ecdh.getPublicKey('hex', 'compressed'),
  };
}

/**
 * @returns the settings of six integrations: Byzantine with its keys in the settings, and with its key at
 *   KMS; each of Turnkey's two APIs with the session's key in the service, and on the user's device.
 */
export function integrations(
  sandbox: Sandbox,
  url: string,
  keys: Keys,
  kms: { arn: string; endpoint: string },
): Record<string, string> {
  const byzantine = { PROVIDER: 'byzantine', BASE_URL: url, RP_ID, RP_NAME: 'Acme', ORIGINS: ORIGIN };
  const behind = { url, turnkey: sandbox.turnkey } as Sandbox;
  const turnkeys = DOORS.flatMap((door) =>
    (['server', 'client'] as const).map((custody) => {
      const prefix = `INTEGRATION_${envName(door)}_`;
      const own = Object.entries({ ...throughDoor(door, custody)(behind), [`${prefix}BASE_URL`]: url })
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]);
      const settings: Record<string, string> = Object.fromEntries(own);
      if (door === 'turnkey') {
        settings['PRIVATE_KEY'] = keys.turnkey[0].privateKey;
        settings['SECOND_PRIVATE_KEY'] = keys.turnkey[1].privateKey;
      }
      return [custody === 'server' ? door : `${door}-device`, settings] as const;
    }),
  );
  const all: [string, Record<string, string>][] = [
    [
      'byzantine',
      {
        ...byzantine,
        PRIVATE_KEY: keys.byzantine[0].privateKey,
        SECOND_PRIVATE_KEY: keys.byzantine[1].privateKey,
      },
    ],
    ['kms', { ...byzantine, KMS_KEY_ID: kms.arn, KMS_REGION: KmsStandIn.region, KMS_ENDPOINT: kms.endpoint }],
    ...turnkeys.map(([name, settings]): [string, Record<string, string>] => [name, settings]),
  ];
  const env = all.flatMap(([name, settings]) =>
    Object.entries(settings).map(([variable, value]) => [`INTEGRATION_${envName(name)}_${variable}`, value]),
  );
  return { ...Object.fromEntries(env), INTEGRATIONS: all.map(([name]) => name).join() };
}

const envName = (name: string) => name.toUpperCase().replaceAll('-', '_');
