import { z } from 'zod';

/** `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 §5.1.9), for the API's documentation. */
export const creationOptions = z
  .object({
    rp: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
    challenge: z.string(),
    pubKeyCredParams: z.array(z.object({ type: z.literal('public-key'), alg: z.int() })),
    timeout: z.int().min(1).describe('Milliseconds: a passkey that takes longer comes too late.'),
    excludeCredentials: z
      .array(z.object({ type: z.literal('public-key').optional(), id: z.string() }))
      .optional(),
    authenticatorSelection: z.record(z.string(), z.unknown()).optional(),
    attestation: z.string().optional(),
    extensions: z.record(z.string(), z.unknown()).optional(),
    hints: z.array(z.string()).optional(),
  })
  .meta({ id: 'PublicKeyCredentialCreationOptions' });
