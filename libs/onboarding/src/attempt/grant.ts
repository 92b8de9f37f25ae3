import { Secret } from '#libs/kernel';
import type { Sealer } from '#libs/platform';
import type { Grant } from '#libs/upstream';

const place = (onboardingId: string) => ({ onboardingId, field: 'grant' });

export function sealGrant(sealer: Sealer, onboardingId: string, grant: Grant): Buffer {
  // JSON.stringify would mask the secrets.
  const open = Object.entries(grant).map(([name, value]) => [
    name,
    value instanceof Secret ? value.reveal() : value,
  ]);
  return sealer.seal(place(onboardingId), JSON.stringify(Object.fromEntries(open)));
}

/** @throws Error if the bytes were altered or belong to another row. */
export function openGrant(sealer: Sealer, onboardingId: string, sealed: Buffer): Grant {
  const open = JSON.parse(sealer.open(place(onboardingId), sealed)) as Opened<Grant>;
  const expiresAt = new Date(open.expiresAt);
  switch (open.type) {
    case 'upstream-session':
      return { ...open, sessionId: new Secret(open.sessionId), expiresAt };
    case 'session-key':
      return { ...open, privateKey: new Secret(open.privateKey), expiresAt };
    case 'device-key':
      return { ...open, verificationToken: new Secret(open.verificationToken), expiresAt };
  }
}

type Opened<T> = T extends unknown
  ? { [Member in keyof T]: T[Member] extends Secret | Date ? string : T[Member] }
  : never;
