import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Secret } from '#libs/kernel';
import { origin, parse, setting, type Faults } from './config-values.js';

/** `source` is the variable that defines the key, for error messages. */
export type KeySource = LocalKeySource | RemoteKeySource;

export interface LocalKeySource {
  /** Hex, PKCS#8 PEM or JWK. */
  privateKey: Secret;
  source: string;
}

/** AWS KMS signs, and never hands out the key. */
export interface RemoteKeySource {
  kms: {
    /** ARN, id or alias. */
    keyId: string;
    region: string;
    /** Scheme, host and port of KMS. By default, the SDK uses AWS's own address. */
    endpoint?: string;
  };
  source: string;
}

const KMS_ARN = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(key|alias)\/[A-Za-z0-9/_-]{1,250}$/;
const KMS_ID = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}|alias\/[A-Za-z0-9/_-]{1,250})$/;

const kmsKeyId = z
  .string()
  .refine(
    (value) => KMS_ARN.test(value) || KMS_ID.test(value),
    'is not an ARN, id or alias of a key at AWS KMS',
  )
  .optional();

const FILE = { values: 'a path', example: '/run/secrets/byzantine.pem' };
const KMS = { values: 'an ARN, an id or an alias', example: 'alias/gangway' };
const KEY = { values: '64 hex digits, PKCS#8 PEM or JWK', example: '$(cat byzantine.pem)' };

export const keyEnvironment = {
  PRIVATE_KEY: setting(
    'The P-256 key that signs. Set it, or its `_FILE`, or `KMS_KEY_ID`.',
    z.string().optional(),
    KEY,
  ),
  PRIVATE_KEY_FILE: setting('A file with the key that signs.', z.string().optional(), FILE),
  KMS_KEY_ID: setting(
    'The key that signs, at AWS KMS, with spec `ECC_NIST_P256` and usage `SIGN_VERIFY`. ' +
      'The AWS SDK finds the credentials.',
    kmsKeyId,
    KMS,
  ),
  SECOND_PRIVATE_KEY: setting('A second key while keys are rotated.', z.string().optional(), KEY),
  SECOND_PRIVATE_KEY_FILE: setting('A file with the second key.', z.string().optional(), FILE),
  SECOND_KMS_KEY_ID: setting('The second key, at AWS KMS.', kmsKeyId, KMS),
  KMS_REGION: setting(
    'The region of the keys at AWS KMS. Required if a key is at AWS KMS.',
    z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'is not the name of a region, such as eu-central-1')
      .optional(),
    { values: 'the name of a region', example: 'eu-central-1' },
  ),
  KMS_ENDPOINT: setting('A VPC endpoint for AWS KMS.', origin('it').optional(), {
    values: 'scheme, host and port',
    example: 'https://vpce-1.kms.eu-central-1.vpce.amazonaws.com',
  }),
};
type KeyEnvironment = z.output<z.ZodObject<typeof keyEnvironment>>;

const WAYS = ['PRIVATE_KEY', 'PRIVATE_KEY_FILE', 'KMS_KEY_ID'] as const;
const SECOND = 'SECOND_';

/** @returns the first key, which is required, and the second if there is one; null if a key is wrong. */
export function readKeys(
  env: Record<string, string | undefined>,
  prefix: string,
  faults: Faults,
): KeySource[] | null {
  const before = faults.length;
  const own = parse(z.object(keyEnvironment), env, prefix, faults);
  if (!own) return null;
  const first = readKey(own, prefix, '', faults);
  if (!first && faults.length === before) {
    faults.push({
      variable: `${prefix}PRIVATE_KEY`,
      detail: `is missing: set it, or ${prefix}PRIVATE_KEY_FILE, or ${prefix}KMS_KEY_ID`,
    });
  }
  const second = readKey(own, prefix, SECOND, faults);
  for (const variable of ['KMS_REGION', 'KMS_ENDPOINT'] as const) {
    if (own[variable] !== undefined && !own.KMS_KEY_ID && !own.SECOND_KMS_KEY_ID) {
      faults.push({ variable: prefix + variable, detail: `has no effect without ${prefix}KMS_KEY_ID` });
    }
  }
  if (!first || faults.length > before) return null;
  return second ? [first, second] : [first];
}

function readKey(
  own: KeyEnvironment,
  prefix: string,
  rank: '' | typeof SECOND,
  faults: Faults,
): KeySource | null {
  const [way, other] = WAYS.filter((each) => own[`${rank}${each}`] !== undefined);
  if (!way) return null;
  const variable = `${prefix}${rank}${way}`;
  if (other) {
    faults.push({ variable, detail: `is set together with ${prefix}${rank}${other}: set only one of them` });
    return null;
  }
  const value = own[`${rank}${way}`]!;
  switch (way) {
    case 'PRIVATE_KEY':
      return { privateKey: new Secret(value), source: variable };
    case 'PRIVATE_KEY_FILE':
      return readKeyFile(value, variable, faults);
    case 'KMS_KEY_ID':
      return remoteKey(own, value, prefix, variable, faults);
  }
}

function readKeyFile(path: string, variable: string, faults: Faults): LocalKeySource | null {
  try {
    return { privateKey: new Secret(readFileSync(path, 'utf8').trim()), source: variable };
  } catch (error) {
    faults.push({ variable, detail: `cannot be read (${(error as NodeJS.ErrnoException).code})` });
    return null;
  }
}

function remoteKey(
  { KMS_REGION: region, KMS_ENDPOINT: endpoint }: KeyEnvironment,
  keyId: string,
  prefix: string,
  variable: string,
  faults: Faults,
): RemoteKeySource | null {
  const keyRegion = KMS_ARN.exec(keyId)?.[1];
  if (!region) {
    faults.push({ variable: `${prefix}KMS_REGION`, detail: `is missing: ${variable} needs it` });
    return null;
  }
  if (keyRegion !== undefined && keyRegion !== region) {
    faults.push({ variable, detail: `is in ${keyRegion}, but ${prefix}KMS_REGION is ${region}` });
    return null;
  }
  return { kms: { keyId, region, ...(endpoint && { endpoint }) }, source: variable };
}
