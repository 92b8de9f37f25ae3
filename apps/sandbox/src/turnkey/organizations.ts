import { randomUUID } from 'node:crypto';
import type { TimeSource } from '../sandbox-clock.js';
import { newApiKey } from './api-keys.js';
import { refusals } from './refusals.js';

export type Channel = 'email' | 'sms';

/** A login registers a key of the type `LOGIN`, which expires with the session. */
export interface ApiKey {
  apiKeyId: string;
  name: string;
  type: 'API_KEY_P256' | 'LOGIN';
  createdAtMs: number;
  /** Compressed SEC1 point, hex without 0x. */
  publicKey: string;
  /** Null: the key never expires. */
  expiresAtMs: number | null;
}

export interface TurnkeyUser {
  userId: string;
  userName: string;
  contacts: { channel: Channel; value: string; verified: boolean }[];
  apiKeys: ApiKey[];
  createdAtMs: number;
}

export type NewUser = Omit<TurnkeyUser, 'createdAtMs'>;

/** The parent organization (`parentId` is null) or a sub-organization. */
export interface TurnkeyOrganization {
  organizationId: string;
  name: string;
  parentId: string | null;
  users: TurnkeyUser[];
}

export interface NewOrganization extends Pick<TurnkeyOrganization, 'organizationId' | 'name'> {
  users: readonly NewUser[];
}

export interface Member {
  organization: TurnkeyOrganization;
  user: TurnkeyUser;
}

/** A sub-organization with one user and one verified contact: an e-mail address or a phone number. */
export interface TurnkeySubject {
  organizationId: string;
  userId: string;
  contact: string;
}

/** Missing ids are generated. */
export interface NewTurnkeySubject {
  organizationId?: string | undefined;
  userId?: string | undefined;
  contact: string;
}

export interface ParentOrganization {
  organizationId: string;
  /** Compressed SEC1 points, hex without 0x. */
  apiPublicKeys: readonly string[];
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export const normalContact = (contact: string) => contact.trim().toLowerCase();
export const channelOf = (contact: string): Channel => (contact.includes('@') ? 'email' : 'sms');

export class Organizations {
  readonly parent: TurnkeyOrganization;
  readonly #subs = new Map<string, TurnkeyOrganization>();
  readonly #byContact = new Map<string, Set<Member>>();

  /** @param acceptAny whether to create unknown organizations, users and contacts at their first use */
  constructor(
    { organizationId, apiPublicKeys }: ParentOrganization,
    private readonly acceptAny: boolean,
    private readonly clock: TimeSource,
  ) {
    const userId = randomUUID();
    const user = { userId, userName: 'sandbox', contacts: [], apiKeys: [], createdAtMs: clock.nowMs() };
    this.parent = { organizationId, name: 'Sandbox', parentId: null, users: [user] };
    this.registerParentKeys(apiPublicKeys);
  }

  registerParentKeys(publicKeys: readonly string[]): void {
    const common = {
      name: 'sandbox',
      type: 'API_KEY_P256',
      createdAtMs: this.clock.nowMs(),
      expiresAtMs: null,
    } as const;
    this.parent.users[0]!.apiKeys = publicKeys.map((publicKey) => newApiKey({ publicKey, ...common }));
  }

  /** @throws TurnkeyRefusal 400 for a malformed id, 404 for an unknown one */
  require(organizationId: string): TurnkeyOrganization {
    const id = organizationId.toLowerCase();
    if (!UUID.test(id)) throw refusals.malformedOrganizationId();
    if (id === this.parent.organizationId) return this.parent;
    const known = this.#subs.get(id);
    if (known) return known;
    if (!this.acceptAny) throw refusals.organizationNotFound();
    return this.addSub({ organizationId: id, name: id, users: [] });
  }

  /** @throws TurnkeyRefusal 404 for an unknown user */
  requireUser(organization: TurnkeyOrganization, userId: string): TurnkeyUser {
    const id = userId.toLowerCase();
    const known = organization.users.find((user) => user.userId === id);
    if (known) return known;
    if (!this.acceptAny) throw refusals.userNotFound();
    return this.addUser(organization, { userId: id, userName: id, contacts: [], apiKeys: [] });
  }

  addSub({ organizationId, name, users }: NewOrganization): TurnkeyOrganization {
    const organization: TurnkeyOrganization = {
      organizationId,
      name,
      parentId: this.parent.organizationId,
      users: [],
    };
    this.#subs.set(organizationId, organization);
    for (const user of users) this.addUser(organization, user);
    return organization;
  }

  addUser(organization: TurnkeyOrganization, fresh: NewUser): TurnkeyUser {
    const user = { ...fresh, createdAtMs: this.clock.nowMs() };
    organization.users.push(user);
    this.#index({ organization, user });
    return user;
  }

  /** Registers a subject, or replaces the contact of a registered one. */
  addSubject({ organizationId, userId, contact }: TurnkeySubject): void {
    const contacts = [{ channel: channelOf(contact), value: contact, verified: true }];
    const organization =
      this.#subs.get(organizationId) ?? this.addSub({ organizationId, name: organizationId, users: [] });
    const user = organization.users.find((one) => one.userId === userId);
    if (!user) {
      this.addUser(organization, { userId, userName: userId, contacts, apiKeys: [] });
      return;
    }
    for (const { value } of user.contacts) {
      const members = this.#byContact.get(normalContact(value)) ?? new Set();
      for (const member of members) if (member.user === user) members.delete(member);
    }
    user.contacts = contacts;
    this.#index({ organization, user });
  }

  knownOwners(contact: string): Member[] {
    return [...(this.#byContact.get(normalContact(contact)) ?? [])];
  }

  /** Creates an owner if there is none and `acceptAny` is set. */
  owners(contact: string): Member[] {
    const known = this.knownOwners(contact);
    if (known.length > 0 || !this.acceptAny) return known;
    this.addSubject({ organizationId: randomUUID(), userId: randomUUID(), contact });
    return this.knownOwners(contact);
  }

  /** Creates an owner as {@link owners} does, but not in the parent organization. */
  ownerIn(organization: TurnkeyOrganization, contact: string): TurnkeyUser | null {
    const known = this.knownOwners(contact).find((member) => member.organization === organization);
    if (known) return known.user;
    if (!this.acceptAny || organization.parentId === null) return null;
    const contacts = [{ channel: channelOf(contact), value: contact, verified: true }];
    return this.addUser(organization, { userId: randomUUID(), userName: contact, contacts, apiKeys: [] });
  }

  subs(): Iterable<TurnkeyOrganization> {
    return this.#subs.values();
  }

  reset(): void {
    this.#subs.clear();
    this.#byContact.clear();
  }

  #index(member: Member): void {
    for (const { value, verified } of member.user.contacts) {
      if (!verified) continue;
      const key = normalContact(value);
      this.#byContact.set(key, (this.#byContact.get(key) ?? new Set()).add(member));
    }
  }
}
