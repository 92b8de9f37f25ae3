import { z } from 'zod';

const credentialType = z.literal('public-key');

/** `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 §5.1.9). */
export const creationOptions = z
  .object({
    rp: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
    challenge: z.string(),
    pubKeyCredParams: z.array(z.object({ type: credentialType, alg: z.int().min(-65_536).max(65_535) })),
    timeout: z.int().min(1).meta({
      description: 'Milliseconds. A passkey that takes longer comes too late.',
    }),
    excludeCredentials: z
      .array(z.object({ type: credentialType, id: z.string(), transports: z.array(z.string()).optional() }))
      .optional(),
    authenticatorSelection: z
      .object({
        authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional(),
        residentKey: z.enum(['discouraged', 'preferred', 'required']).optional(),
        requireResidentKey: z.boolean().optional(),
        userVerification: z.enum(['discouraged', 'preferred', 'required']).optional(),
      })
      .optional(),
    attestation: z.enum(['none', 'indirect', 'direct', 'enterprise']).optional(),
    extensions: z.object({ credProps: z.boolean().optional() }).optional(),
    hints: z.array(z.enum(['security-key', 'client-device', 'hybrid'])).optional(),
  })
  .meta({ id: 'PublicKeyCredentialCreationOptions' });
