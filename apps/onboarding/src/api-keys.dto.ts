import { z } from 'zod';
import type { ApiKey, MadeApiKey } from '#libs/callers';
import { SCOPES, isKeyCallerName } from '#libs/kernel';
import { rule } from '#libs/platform';
import { EXAMPLE } from './schema-marks.js';
import { instant, text } from './text.js';

const DAY_S = 86_400;
const LONGEST_LIFE_S = 3_650 * DAY_S;
const LONGEST_OVERLAP_S = 30 * DAY_S;

export const keyIdParam = z.string().regex(/^[0-9a-f]{20}$/, 'is not the id of an API key');

export const createKeyBody = z
  .strictObject({
    caller: z
      .string()
      .refine(
        isKeyCallerName,
        rule('invalid_format', 'is not 1 to 64 characters of a-z, 0-9, ".", "_" and "-"'),
      )
      .meta({
        minLength: 1,
        maxLength: 64,
        pattern: '^[a-z0-9._-]+$',
        description: 'The caller that owns the onboardings started with this key. It may have several keys.',
      }),
    scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
    integrations: z.array(text(32)).min(1).max(100).optional().meta({
      description:
        'The integrations at which the key may start onboardings. If it is left out, all integrations.',
    }),
    name: text(100).optional(),
    expiresInS: z
      .int()
      .min(60)
      .max(LONGEST_LIFE_S)
      .optional()
      .meta({ description: 'When the key expires. If it is left out, the key never expires.' }),
  })
  .meta({
    id: 'NewApiKey',
    [EXAMPLE]: { caller: 'shop', scopes: ['onboardings:read', 'onboardings:write'] },
  });
export type CreateKeyBody = z.output<typeof createKeyBody>;

export const rotateKeyBody = z
  .strictObject({
    overlapS: z.int().min(0).max(LONGEST_OVERLAP_S).default(DAY_S).meta({
      description: 'How long the old key stays valid. 0 revokes the old key immediately.',
    }),
  })
  .meta({ id: 'RotateApiKey', [EXAMPLE]: { overlapS: 3_600 } });
export type RotateKeyBody = z.output<typeof rotateKeyBody>;

export const apiKeyResource = z
  .object({
    id: z.string(),
    caller: z.string(),
    name: z.string().nullable().meta({ description: 'Null if the key was made without a name.' }),
    scopes: z.array(z.enum(SCOPES)),
    integrations: z.array(z.string()).nullable().meta({
      description: 'The integrations at which the key may start onboardings. Null means all of them.',
    }),
    state: z.enum(['active', 'expired', 'revoked']),
    createdAt: instant,
    createdBy: z.string(),
    expiresAt: instant.nullable().meta({ description: 'Null if the key never expires.' }),
    lastUsedAt: instant
      .nullable()
      .meta({ description: 'When the key was last used, accurate to the minute. Null before.' }),
    revokedAt: instant.nullable().meta({ description: 'Null if the key was not revoked.' }),
    rotatedTo: z.string().nullable().meta({
      description: 'The id of the key that replaced this one. Null if none did.',
    }),
  })
  .meta({ id: 'ApiKey' });
export type ApiKeyResource = z.output<typeof apiKeyResource>;

export const apiKeyList = z.object({ items: z.array(apiKeyResource) }).meta({ id: 'ApiKeyList' });

export const madeApiKey = apiKeyResource
  .extend({
    token: z
      .string()
      .meta({ description: 'The token. The service shows it only once, because it does not store it.' }),
  })
  .meta({ id: 'MadeApiKey' });

export function toKeyResource({
  createdAt,
  expiresAt,
  lastUsedAt,
  revokedAt,
  ...key
}: ApiKey): ApiKeyResource {
  return {
    ...key,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}

/** No other answer contains a token. */
export const toMadeKey = ({ key, token }: MadeApiKey) => ({ ...toKeyResource(key), token: token.reveal() });
