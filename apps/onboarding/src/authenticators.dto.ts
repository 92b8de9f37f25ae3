import { z } from 'zod';
import { rule } from '#libs/platform';
import { EXACTLY_ONE, EXAMPLE } from './schema-marks.js';
import { optional, text } from './text.js';

/**
 * Accepts only canonical base64url, whose unused bits at the end are zero. Providers may decode other forms
 * differently.
 */
const base64url = (name: string, max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine(
      (value) => Buffer.from(value, 'base64url').toString('base64url') === value,
      rule('invalid_format', `${name} must be base64url without padding (=)`),
    )
    .meta({ pattern: '^[A-Za-z0-9_-]+$' });

export const optionsBody = z
  .strictObject({
    userName: text(64),
    userDisplayName: optional(text(64)).meta({ description: '`userName`, if it is left out.' }),
  })
  .meta({ id: 'AuthenticatorOptionsRequest', [EXAMPLE]: { userName: 'ana@example.com' } });
export type OptionsBody = z.output<typeof optionsBody>;

const authenticatorName = z.string().trim().pipe(text(64)).meta({ minLength: 1, maxLength: 64 });

const notRead = z.unknown().optional().meta({ description: 'The service ignores this member.' });

/** `RegistrationResponseJSON`, as `PublicKeyCredential.toJSON()` gives it (WebAuthn Level 3 §5.1.1). */
const registrationResponse = z
  .object({
    id: base64url('id', 1400),
    rawId: base64url('rawId', 1400),
    type: z.literal('public-key'),
    authenticatorAttachment: notRead,
    clientExtensionResults: z
      .unknown()
      .optional()
      .meta({ description: 'The service reads only its member `credProps`.' }),
    response: z.object({
      clientDataJSON: base64url('clientDataJSON', 8192),
      attestationObject: base64url('attestationObject', 65536),
      transports: optional(z.array(z.string().max(32)).max(10, 'names more than 10 transports')).meta({
        description: 'As the browser gave it.',
      }),
      authenticatorData: notRead,
      publicKey: notRead,
      publicKeyAlgorithm: notRead,
    }),
  })
  .meta({ id: 'RegistrationResponse' });

const TRANSPORTS = ['BLE', 'HYBRID', 'INTERNAL', 'NFC', 'USB'].map(
  (name) => `AUTHENTICATOR_TRANSPORT_${name}`,
);

const browsersForm = z.strictObject({ authenticatorName, credential: registrationResponse });

const providersForm = z.strictObject({
  authenticatorName,
  challenge: base64url('challenge', 1024),
  attestation: z.strictObject({
    credentialId: base64url('credentialId', 1400).meta({
      description: 'Base64url of the raw id, or of a CBOR byte string with the raw id in it.',
    }),
    clientDataJson: base64url('clientDataJson', 8192),
    attestationObject: base64url('attestationObject', 65536),
    transports: z.array(z.enum([...TRANSPORTS, 'Unknown'])).max(10),
  }),
});

/**
 * Finds by the members whether a passkey has the browser's or the provider's notation, because a zod union
 * would report only that neither fits.
 */
function faultsOf(given: unknown): z.core.$ZodIssue[] {
  const has = (member: string) => typeof given === 'object' && given !== null && Object.hasOwn(given, member);
  const isBrowsers = has('credential');
  if (isBrowsers !== (has('challenge') || has('attestation'))) {
    return (isBrowsers ? browsersForm : providersForm).safeParse(given).error?.issues ?? [];
  }
  const message = 'must be {authenticatorName, credential} or {authenticatorName, challenge, attestation}';
  return [{ code: 'invalid_union', errors: [], path: [], message }];
}

const authenticator = z.preprocess(
  (given, context) => {
    context.issues.push(
      ...faultsOf(given).map((issue) => ({ ...issue, input: given }) as z.core.$ZodRawIssue),
    );
    return given;
  },
  z.union([browsersForm, providersForm]).meta({ id: 'AuthenticatorInput' }),
);

const hex = (name: string, min: number, max: number) =>
  z.string().regex(new RegExp(`^[0-9a-fA-F]{${min},${max}}$`), `${name} must be hex of the right length`);

/**
 * The user's device signs the request that registers the passkeys in client custody, because the device holds
 * the session's key.
 */
const deviceRequest = z
  .strictObject({
    clientSignature: hex('clientSignature', 128, 128).meta({
      description: 'The session key’s signature of `deviceSigning.loginMessage`: r‖s in hex, not DER.',
    }),
    body: z
      .string()
      .min(2)
      .max(200_000)
      .meta({
        description:
          'The JSON of the provider’s request `ACTIVITY_TYPE_CREATE_AUTHENTICATORS_V2`, as text. It has ' +
          '`organizationId` and `parameters.userId` of `deviceSigning`, the passkeys, and `timestampMs`. ' +
          'That time may be at most 55 minutes ago. The service forwards its bytes unchanged.',
      }),
    stamp: base64url('stamp', 4096).meta({
      description: 'The provider’s stamp over the bytes of `body`, by the session’s key.',
    }),
  })
  .meta({ id: 'DeviceRequest' });

export const authenticatorsBody = z
  .strictObject({
    authenticators: optional(z.array(authenticator).min(1).max(10)),
    device: optional(deviceRequest),
  })
  .refine((body) => (body.authenticators === undefined) !== (body.device === undefined), {
    ...rule('exactly_one_needed', 'must be {authenticators} or {device}'),
    path: ['authenticators'],
  })
  .meta({ id: 'CreateAuthenticators', [EXACTLY_ONE]: ['authenticators', 'device'] });
export type AuthenticatorsBody = z.output<typeof authenticatorsBody>;
