import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { EnvironmentAccount } from './environment-account.js';
import type { Operator, OperatorSession, Role } from './operator.js';
import {
  BEGIN_SESSION,
  END_OTHER_SESSIONS,
  END_SESSION,
  FIND_SESSION,
  LIST_SESSIONS,
  RENEW_SESSION,
} from './statements.js';

/** The size of a token. OWASP ASVS 5.0 §7.2.3 requires 128 bits. */
const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** The use of a session is written at most this often per idle time, because a page loads many files. */
const WRITES_PER_LIFE = 30;

/** Sessions of the console. The table stores a keyed hash of each token. Only the browser has the token. */
@Injectable()
export class OperatorSessions {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly environment: EnvironmentAccount,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param passwordHash the hash that was checked. Null for the account from the environment.
   * @returns a new token in base64url. Null if the account changed after its password was checked.
   */
  async begin(operator: Operator, passwordHash: string | null, address: string): Promise<string | null> {
    const token = newToken();
    const mark = this.#markOf(operator);
    const life = this.config.OPS_SESSION_LIFE_MS;
    const values = [this.#hashOf(token), operator.id, passwordHash, mark, address, life, operator.role];
    const begun = await this.statements.run(BEGIN_SESSION, values);
    return begun.length > 0 ? token : null;
  }

  /**
   * @param inUse whether a person caused the request. Requests that a page repeats by itself do not extend a
   *   session.
   * @returns null if the token is unknown, expired or idle for too long, or if its account has changed.
   */
  async find(token: string, inUse: boolean): Promise<Operator | null> {
    if (!TOKEN.test(token)) return null;
    const idle = this.config.OPS_SESSION_IDLE_MS;
    const values = [this.#hashOf(token), idle, this.environment.mark, idle / WRITES_PER_LIFE, inUse];
    type Found = { id: string | null; name: string | null; role: Role | null; mustChange: boolean | null };
    const [found] = await this.statements.run<Found>(FIND_SESSION, values);
    if (!found) return null;
    const { id, name, role, mustChange } = found;
    if (id === null || name === null || role === null || mustChange === null)
      return this.environment.operator;
    return { id, name, role, mustChange };
  }

  async end(token: string): Promise<void> {
    if (TOKEN.test(token)) await this.statements.run(END_SESSION, [this.#hashOf(token)]);
  }

  /** @returns the operator's live sessions. The session that was used last comes first. */
  list(operator: Operator, token: string): Promise<OperatorSession[]> {
    const values = [...this.#ownOf(operator), this.#hashOf(token), this.config.OPS_SESSION_IDLE_MS];
    return this.statements.run<OperatorSession>(LIST_SESSIONS, values);
  }

  /**
   * Ends other sessions of an operator, never the session of this token.
   *
   * @param id of one session, from {@link list}. Null for all. Sessions of other operators are not ended.
   */
  async endOthers(operator: Operator, token: string, id: string | null): Promise<void> {
    await this.statements.run(END_OTHER_SESSIONS, [...this.#ownOf(operator), this.#hashOf(token), id]);
  }

  /**
   * Changes the password, ends the account's other sessions, and gives this session a new token.
   *
   * @param password the hash that was checked, and the new hash.
   * @returns the new token. Null if the account or the session changed meanwhile.
   */
  async renew(
    token: string,
    { id }: Operator,
    { checked, hash }: { checked: string | null; hash: string },
  ): Promise<string | null> {
    const renewed = newToken();
    const values = [id, checked, hash, this.#hashOf(token), this.#hashOf(renewed)];
    const changed = await this.statements.run(RENEW_SESSION, values);
    return changed.length > 0 ? renewed : null;
  }

  #ownOf(operator: Operator): [string | null, Buffer | null] {
    return [operator.id, this.#markOf(operator)];
  }

  #markOf(operator: Operator): Buffer | null {
    return operator.id === null ? this.environment.mark : null;
  }

  #hashOf(token: string): Buffer {
    return this.hash.of('operator session', token);
  }
}

const newToken = () => randomBytes(TOKEN_BYTES).toString('base64url');
