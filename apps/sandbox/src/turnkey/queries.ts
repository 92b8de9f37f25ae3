import { z } from 'zod';
import { timestamp } from './activities.js';
import { checked, jsonObject } from './json-of.js';
import { channelOf } from './organizations.js';
import type { TurnkeyOrganization } from './organizations.js';
import type { PublicApi } from './public-api.js';
import { authenticatorKeyHex } from './authenticator-key.js';
import { refusals } from './refusals.js';
import type { Stamper } from './stamps.js';
import type { TurnkeyState } from './turnkey-state.js';
import type { StoredAuthenticator } from '../webauthn/authenticators.js';

/** A query whose stamp is good. */
export interface Query {
  rawBody: Buffer;
  stamper: Stamper;
  organization: TurnkeyOrganization;
}

const getActivity = z.strictObject({ organizationId: z.string(), activityId: z.string() });
const getAuthenticators = z.strictObject({ organizationId: z.string(), userId: z.string() });
const listVerifiedSubOrganizations = z.strictObject({
  organizationId: z.string(),
  filterType: z.enum(['EMAIL', 'PHONE_NUMBER']).optional(),
  filterValue: z.string().optional(),
  paginationOptions: z.record(z.string(), z.json()).optional(),
});
const whoami = z.strictObject({ organizationId: z.string() });

/** The queries of the public API; the parent's key may read its sub-organizations. */
export class Queries {
  readonly #byPath: Readonly<Record<string, (query: Query) => object>> = {
    get_activity: (query) => this.#getActivity(query),
    get_authenticators: (query) => this.#getAuthenticators(query),
    list_verified_suborgs: (query) => this.#listVerified(query),
    whoami: (query) => this.#whoami(query),
  };

  constructor(
    private readonly state: TurnkeyState,
    private readonly api: PublicApi,
  ) {}

  /**
   * @param path the last segment of the path
   * @throws TurnkeyRefusal
   */
  answer(path: string, query: Query): object {
    const run = Object.hasOwn(this.#byPath, path) ? this.#byPath[path] : undefined;
    if (!run) throw refusals.noRoute();
    if (query.stamper.token) throw refusals.notAuthorized();
    return run(query);
  }

  #getActivity({ rawBody, organization }: Query): object {
    return this.api.poll(organization, checked(getActivity, jsonObject(rawBody)).activityId);
  }

  #getAuthenticators({ rawBody, organization }: Query): object {
    const { userId } = checked(getAuthenticators, jsonObject(rawBody));
    const user = this.state.organizations.requireUser(organization, userId);
    return { authenticators: this.state.passkeys.list(user.userId).map(onTheWire) };
  }

  #listVerified({ rawBody, organization, stamper }: Query): object {
    if (organization.parentId !== null || stamper.organization !== organization)
      throw refusals.notAuthorized();
    const { filterType, filterValue } = checked(listVerifiedSubOrganizations, jsonObject(rawBody));
    if (filterValue === undefined || filterType === undefined) {
      const ids = [...this.state.organizations.subs()]
        .filter(({ users }) => users.some(({ contacts }) => contacts.some(({ verified }) => verified)))
        .map(({ organizationId }) => organizationId);
      return { organizationIds: ids };
    }
    const channel = filterType === 'EMAIL' ? 'email' : 'sms';
    const owners = channelOf(filterValue) === channel ? this.state.organizations.owners(filterValue) : [];
    return { organizationIds: [...new Set(owners.map((owner) => owner.organization.organizationId))] };
  }

  #whoami({ rawBody, stamper: { organization, user } }: Query): object {
    checked(whoami, jsonObject(rawBody));
    return {
      organizationId: organization.organizationId,
      organizationName: organization.name,
      userId: user.userId,
      username: user.userName,
    };
  }
}

function onTheWire(passkey: StoredAuthenticator): object {
  const at = timestamp(Date.parse(passkey.createdAt));
  return {
    transports: passkey.transports,
    attestationType: passkey.format,
    aaguid: passkey.aaguid,
    credentialId: passkey.credentialId,
    model: '',
    credential: { publicKey: authenticatorKeyHex(passkey), type: 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR' },
    authenticatorId: passkey.authenticatorId,
    authenticatorName: passkey.authenticatorName,
    createdAt: at,
    updatedAt: at,
  };
}
