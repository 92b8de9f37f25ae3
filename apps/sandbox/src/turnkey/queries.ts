import { z } from 'zod';
import { checked, jsonObject } from './json-of.js';
import { channelOf } from './organizations.js';
import type { TurnkeyOrganization } from './organizations.js';
import type { PublicApi } from './public-api.js';
import { refusals } from './refusals.js';
import type { Stamper } from './stamps.js';
import { findSubOrganizations, SUB_ORGANIZATION_FILTERS } from './sub-organization-filters.js';
import type { TurnkeyState } from './turnkey-state.js';
import { authenticatorOnTheWire, userOnTheWire } from './users.js';

export interface Query {
  rawBody: Buffer;
  stamper: Stamper;
  organization: TurnkeyOrganization;
}

const getActivity = z.strictObject({ organizationId: z.string(), activityId: z.string() });
const getAuthenticators = z.strictObject({ organizationId: z.string(), userId: z.string() });
const getUser = getAuthenticators;
const listSubOrganizations = z.strictObject({
  organizationId: z.string(),
  filterType: z.enum(SUB_ORGANIZATION_FILTERS).optional(),
  filterValue: z.string().optional(),
  paginationOptions: z.record(z.string(), z.json()).optional(),
});
const listUsers = z.strictObject({ organizationId: z.string() });
const listVerifiedSubOrganizations = z.strictObject({
  organizationId: z.string(),
  filterType: z.enum(['EMAIL', 'PHONE_NUMBER']).optional(),
  filterValue: z.string().optional(),
  paginationOptions: z.record(z.string(), z.json()).optional(),
});
const whoami = z.strictObject({ organizationId: z.string() });

/** The parent's key may read all sub-organizations. */
export class Queries {
  readonly #byPath: Readonly<Record<string, (query: Query) => object>> = {
    get_activity: (query) => this.#getActivity(query),
    get_authenticators: (query) => this.#getAuthenticators(query),
    get_user: (query) => this.#getUser(query),
    list_suborgs: (query) => this.#listSubOrganizations(query),
    list_users: (query) => this.#listUsers(query),
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
    return { authenticators: this.state.passkeys.list(user.userId).map(authenticatorOnTheWire) };
  }

  #getUser({ rawBody, organization }: Query): object {
    const { userId } = checked(getUser, jsonObject(rawBody));
    const user = this.state.organizations.requireUser(organization, userId);
    return { user: userOnTheWire(user, this.state.passkeys.list(user.userId)) };
  }

  #listUsers({ rawBody, organization }: Query): object {
    checked(listUsers, jsonObject(rawBody));
    const { passkeys } = this.state;
    return { users: organization.users.map((user) => userOnTheWire(user, passkeys.list(user.userId))) };
  }

  #listSubOrganizations(query: Query): object {
    requireParent(query);
    const { filterType, filterValue } = checked(listSubOrganizations, jsonObject(query.rawBody));
    const found =
      filterType === undefined || filterValue === undefined
        ? [...this.state.organizations.subs()]
        : findSubOrganizations(this.state, filterType, filterValue);
    return { organizationIds: found.map(({ organizationId }) => organizationId) };
  }

  #listVerified(query: Query): object {
    requireParent(query);
    const { filterType, filterValue } = checked(listVerifiedSubOrganizations, jsonObject(query.rawBody));
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

/** @throws TurnkeyRefusal 403 unless the parent's key has stamped a query about the parent */
function requireParent({ organization, stamper }: Query): void {
  if (organization.parentId !== null || stamper.organization !== organization) throw refusals.notAuthorized();
}
