import { Secret } from '#libs/kernel';
import type { Sealer } from '#libs/platform';
import type { Grant } from '#libs/upstream';

const place = (onboardingId: string) => ({ onboardingId, field: 'grant' });

/** Seals a grant for its row. */
export function sealGrant(sealer: Sealer, onboardingId: string, grant: Grant): Buffer {
  const open =
    grant.type === 'upstream-session'
      ? { ...grant, sessionId: grant.sessionId.reveal() }
      : { ...grant, privateKey: grant.privateKey.reveal() };
  return sealer.seal(place(onboardingId), JSON.stringify(open));
}

/** Opens what {@link sealGrant} sealed. @throws Error where it was altered, or belongs to another row. */
export function openGrant(sealer: Sealer, onboardingId: string, sealed: Buffer): Grant {
  const open = JSON.parse(sealer.open(place(onboardingId), sealed)) as {
    type: Grant['type'];
    expiresAt: string;
    sessionId: string;
    organizationId: string;
    userId: string;
    privateKey: string;
  };
  const expiresAt = new Date(open.expiresAt);
  return open.type === 'upstream-session'
    ? { type: open.type, sessionId: new Secret(open.sessionId), expiresAt }
    : {
        type: open.type,
        organizationId: open.organizationId,
        userId: open.userId,
        privateKey: new Secret(open.privateKey),
        expiresAt,
      };
}
