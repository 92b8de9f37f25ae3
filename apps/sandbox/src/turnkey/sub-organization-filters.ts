import { channelOf, normalContact } from './organizations.js';
import type { TurnkeyOrganization, TurnkeyUser } from './organizations.js';
import type { TurnkeyState } from './turnkey-state.js';

/** OIDC tokens are not emulated, so OIDC_TOKEN finds nothing. */
export const SUB_ORGANIZATION_FILTERS = [
  'CREDENTIAL_ID',
  'NAME',
  'USERNAME',
  'EMAIL',
  'PHONE_NUMBER',
  'OIDC_TOKEN',
  'PUBLIC_KEY',
] as const;

/** Unverified contacts match too. */
export function findSubOrganizations(
  { organizations, passkeys }: TurnkeyState,
  filterType: (typeof SUB_ORGANIZATION_FILTERS)[number],
  filterValue: string,
): TurnkeyOrganization[] {
  const subs = [...organizations.subs()];
  const byUser = (fits: (user: TurnkeyUser) => boolean) => subs.filter(({ users }) => users.some(fits));
  switch (filterType) {
    case 'EMAIL':
    case 'PHONE_NUMBER': {
      const wanted = normalContact(filterValue);
      const channel = filterType === 'EMAIL' ? 'email' : 'sms';
      if (channelOf(filterValue) !== channel) return [];
      return byUser(({ contacts }) => contacts.some(({ value }) => normalContact(value) === wanted));
    }
    case 'CREDENTIAL_ID': {
      const userId = passkeys.find(filterValue)?.userId;
      return byUser((user) => user.userId === userId);
    }
    case 'PUBLIC_KEY':
      return byUser(({ apiKeys }) => apiKeys.some(({ publicKey }) => publicKey === filterValue));
    case 'NAME':
      return subs.filter(({ name }) => name === filterValue);
    case 'USERNAME':
      return byUser(({ userName }) => userName === filterValue);
    case 'OIDC_TOKEN':
      return [];
  }
}
