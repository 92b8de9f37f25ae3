import { Injectable } from '@nestjs/common';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import {
  ProblemError,
  isKeyCallerName,
  type FaultCode,
  type FieldError,
  type Scope,
  type Secret,
} from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { hashOf, newApiKeyToken, tokenOf } from './api-key-token.js';
import { INSERT_KEY, LIST_KEYS, REVOKE_KEY, ROTATE_KEY, STATE_OF_KEY } from './api-key-statements.js';
import { Audit, type Who } from './audit.js';

/** A key without its secret and hash. */
export interface ApiKey {
  id: string;
  caller: string;
  /** Chosen by the owner. */
  name: string | null;
  scopes: Scope[];
  /** The integrations that the key may use; null for all. */
  integrations: string[] | null;
  state: 'active' | 'expired' | 'revoked';
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  rotatedTo: string | null;
}

export interface NewApiKey {
  caller: string;
  scopes: readonly Scope[];
  integrations: readonly string[] | null;
  name: string | null;
  /** Null: the key never expires. */
  lifeMs: number | null;
}

/** The token is shown only once. */
export interface MadeApiKey {
  key: ApiKey;
  token: Secret;
}

/** The statement that makes a change also audits it. */
@Injectable()
export class ApiKeys {
  readonly #listeners: ((id: string) => void)[] = [];

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly audit: Audit,
  ) {}

  /** For each key that this process creates, revokes or rotates. */
  whenChanged(listener: (id: string) => void): void {
    this.#listeners.push(listener);
  }

  /** @throws ProblemError `validation_failed` */
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

  /** All keys ever made, or all keys of one caller, newest first. */
  list(caller: string | null = null): Promise<ApiKey[]> {
    return this.statements.run<ApiKey>(LIST_KEYS, [caller]);
  }

  /**
   * Makes a key with the same rights and lifetime.
   *
   * @param overlapMs how long the old key still works; 0 revokes it
   * @throws ProblemError `not_found`, or `illegal_state` if the key has ended or was rotated before
   */
  async rotate(id: string, overlapMs: number, who: Who): Promise<MadeApiKey> {
    const token = newApiKeyToken();
    const values = [token.id, hashOf(token, this.hash), overlapMs];
    const key = await this.#changed(ROTATE_KEY, 'api_key_rotated', id, who, values);
    if (!key) throw await this.#whyNot(id);
    return { key, token: tokenOf(token) };
  }

  /**
   * Ends a key: in this process at once, in others within `API_KEY_CACHE_MS`. A second call changes nothing.
   *
   * @throws ProblemError `not_found`
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

const INTEGRATION = /^[a-z][a-z0-9-]{0,31}$/;

function refuseBad({ caller, scopes, integrations }: NewApiKey): void {
  const fault = (member: keyof NewApiKey, code: FaultCode, detail: string): FieldError => ({
    pointer: `/${member}`,
    code,
    detail,
  });
  const faults = [
    ...(isKeyCallerName(caller)
      ? []
      : [fault('caller', 'invalid_format', 'is not 1 to 64 characters of a-z, 0-9, ".", "_" and "-"')]),
    ...(scopes.length > 0
      ? []
      : [fault('scopes', 'too_small', 'is empty: a key without a scope has no rights')]),
    ...(integrations?.every((name) => INTEGRATION.test(name)) === false
      ? [
          fault(
            'integrations',
            'invalid_format',
            'has a wrong name: a name has 1 to 32 characters of a-z, 0-9 and "-"',
          ),
        ]
      : []),
    // With the scope admin, a restricted key could make another key without a restriction.
    ...(integrations && scopes.includes('admin')
      ? [fault('integrations', 'contradiction', 'has no effect together with the scope admin')]
      : []),
    ...(integrations?.length === 0
      ? [
          fault(
            'integrations',
            'too_small',
            'is empty: a key without an integration could start no onboarding',
          ),
        ]
      : []),
  ];
  if (faults.length === 0) return;
  throw new ProblemError('validation_failed', {
    detail: faults.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join('; '),
    errors: faults,
  });
}

const noSuchKey = (id: string) => new ProblemError('not_found', { detail: `There is no API key ${id}.` });
