import { Injectable } from '@nestjs/common';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import { ProblemError, isKeyCallerName, type Scope, type Secret } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { hashOf, newApiKeyToken, tokenOf } from './api-key-token.js';
import { INSERT_KEY, LIST_KEYS, REVOKE_KEY, ROTATE_KEY, STATE_OF_KEY } from './api-key-statements.js';
import { Audit, type Who } from './audit.js';

/** A key as it may be shown: neither its secret nor the hash of it. */
export interface ApiKey {
  id: string;
  caller: string;
  /** What its owner calls it. */
  name: string | null;
  scopes: Scope[];
  /** Null for all. */
  integrations: string[] | null;
  state: 'active' | 'expired' | 'revoked';
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  /** The key that takes its place. */
  rotatedTo: string | null;
}

export interface NewApiKey {
  caller: string;
  scopes: readonly Scope[];
  integrations: readonly string[] | null;
  name: string | null;
  /** Null for a key that does not expire. */
  lifeMs: number | null;
}

/** A key and its token, which nobody can be told a second time. */
export interface MadeApiKey {
  key: ApiKey;
  token: Secret;
}

/** Makes, lists and ends API keys. Each change is audited by the statement that makes it. */
@Injectable()
export class ApiKeys {
  readonly #listeners: ((id: string) => void)[] = [];

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly audit: Audit,
  ) {}

  /** Has somebody told of every key that is revoked or rotated by this process. */
  whenChanged(listener: (id: string) => void): void {
    this.#listeners.push(listener);
  }

  /** @throws ProblemError `validation_failed` where the caller's name or the scopes will not do. */
  async create(wanted: NewApiKey, who: Who): Promise<MadeApiKey> {
    refuseBad(wanted);
    const token = newApiKeyToken();
    const { caller, name, scopes, integrations, lifeMs } = wanted;
    const key = await this.#changed(INSERT_KEY, 'api_key_created', token.id, who, [
      caller,
      name,
      hashOf(token, this.hash),
      [...new Set(scopes)],
      integrations && [...new Set(integrations)],
      lifeMs,
    ]);
    return { key: key!, token: tokenOf(token) };
  }

  /** All keys there ever were, newest first; or those of one caller. */
  list(caller: string | null = null): Promise<ApiKey[]> {
    return this.statements.run<ApiKey>(LIST_KEYS, [caller]);
  }

  /**
   * Makes another key with the same rights, and as long a life.
   *
   * @param overlapMs how long the old one still works; 0 revokes it.
   * @throws ProblemError `not_found`, or `illegal_state` for a key that is over or rotated already.
   */
  async rotate(id: string, overlapMs: number, who: Who): Promise<MadeApiKey> {
    const token = newApiKeyToken();
    const values = [token.id, hashOf(token, this.hash), overlapMs];
    const key = await this.#changed(ROTATE_KEY, 'api_key_rotated', id, who, values);
    if (!key) throw await this.#whyNot(id);
    return { key, token: tokenOf(token) };
  }

  /**
   * Ends a key at once here, and within `API_KEY_CACHE_MS` in other processes. Twice is as good as once.
   *
   * @throws ProblemError `not_found`.
   */
  async revoke(id: string, who: Who): Promise<ApiKey> {
    const key = await this.#changed(REVOKE_KEY, 'api_key_revoked', id, who, []);
    if (key) return key;
    const [known] = await this.statements.run<ApiKey>(STATE_OF_KEY, [id]);
    if (known) return known;
    throw noSuchKey(id);
  }

  async #changed(
    statement: PreparedStatement,
    action: 'api_key_created' | 'api_key_rotated' | 'api_key_revoked',
    target: string,
    who: Who,
    values: unknown[],
  ): Promise<ApiKey | null> {
    const [key] = await this.statements.run<ApiKey>(statement, [target, who.actor, who.address, ...values]);
    if (!key) return null;
    for (const listener of this.#listeners) listener(target);
    this.audit.say({ ...who, action, target, data: { caller: key.caller } });
    return key;
  }

  async #whyNot(id: string): Promise<ProblemError> {
    const [known] = await this.statements.run<ApiKey>(STATE_OF_KEY, [id]);
    if (!known) return noSuchKey(id);
    const why = known.state === 'active' ? `was rotated to ${known.rotatedTo}` : `is ${known.state}`;
    return new ProblemError('illegal_state', { detail: `API key ${id} ${why}.` });
  }
}

/** As INTEGRATIONS has them. */
const INTEGRATION = /^[a-z][a-z0-9-]{0,31}$/;

function refuseBad({ caller, scopes, integrations }: NewApiKey): void {
  const faults = [
    ...(isKeyCallerName(caller) ? [] : [['/caller', 'is not 1 to 64 of a-z, 0-9, ".", "_" and "-"']]),
    ...(scopes.length > 0 ? [] : [['/scopes', 'is empty: such a key opens nothing']]),
    ...(integrations?.every((name) => INTEGRATION.test(name)) === false
      ? [['/integrations', 'names none: a name is 1 to 32 of a-z, 0-9 and "-"']]
      : []),
    // Who makes keys can make one without the restriction.
    ...(integrations && scopes.includes('admin')
      ? [['/integrations', 'restricts nothing together with the scope admin']]
      : []),
    ...(integrations?.length === 0 ? [['/integrations', 'is empty: such a key could start nothing']] : []),
  ];
  if (faults.length === 0) return;
  throw new ProblemError('validation_failed', {
    detail: faults.map(([pointer, what]) => `${pointer!.slice(1)} ${what}`).join('; '),
    errors: faults.map(([pointer, detail]) => ({ pointer: pointer!, code: 'invalid', detail: detail! })),
  });
}

const noSuchKey = (id: string) => new ProblemError('not_found', { detail: `There is no API key ${id}.` });
