import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, KeyedHash, type ConsoleConfig } from '#libs/platform';
import { EmergencyAccount } from './emergency-account.js';
import type { Operator, OperatorSession } from './operator.js';
import { BEGIN_SESSION, END_OTHER_SESSIONS, END_SESSION, FIND_SESSION, LIST_SESSIONS } from './statements.js';

/** OWASP ASVS 5.0 §7.2.3 requires at least 128 bits. */
const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** Limits how often the time of a session's last use is written, because a page causes many requests. */
const WRITES_PER_LIFE = 30;

/** The table stores only a keyed hash of a session's token. */
@Injectable()
export class OperatorSessions {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly emergency: EmergencyAccount,
    @Inject(CONFIG) private readonly config: ConsoleConfig,
  ) {}

  /** @returns the token of the new session. */
  async begin({ how, identity, name, role }: Operator, address: string): Promise<string> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const mark = how === 'emergency' ? this.emergency.mark : null;
    const life = this.config.OPS_SESSION_LIFE_MS;
    const values = [this.#hashOf(token), how, identity, name, role, mark, address, life];
    await this.statements.run(BEGIN_SESSION, values);
    return token;
  }

  /**
   * @param inUse whether a person caused the request. Requests that a page sends by itself do not extend the
   *   session.
   * @returns null if the session is unknown, expired or idle for too long, or if `OPS_PASSWORD` has changed
   *   since an emergency login.
   */
  async find(token: string, inUse: boolean): Promise<Operator | null> {
    if (!TOKEN.test(token)) return null;
    const often = this.config.OPS_SESSION_IDLE_MS / WRITES_PER_LIFE;
    const values = [...this.#live(), this.#hashOf(token), often, inUse];
    const [found] = await this.statements.run<Operator>(FIND_SESSION, values);
    return found ?? null;
  }

  async end(token: string): Promise<void> {
    if (TOKEN.test(token)) await this.statements.run(END_SESSION, [this.#hashOf(token)]);
  }

  /**
   * Lists the live sessions of the operator with this token, the last used first.
   *
   * @param ofAll lists the sessions of all operators, which only an admin may see.
   */
  list(token: string, ofAll = false): Promise<OperatorSession[]> {
    return this.statements.run<OperatorSession>(LIST_SESSIONS, [...this.#live(), this.#hashOf(token), ofAll]);
  }

  /**
   * Never ends the session with this token.
   *
   * @param id an id from {@link list}, or null for all sessions.
   * @param ofAll also ends sessions of other operators, which only an admin may do.
   * @returns the name of the operator for each ended session.
   */
  async endOthers(token: string, id: string | null, ofAll = false): Promise<string[]> {
    const values = [this.#hashOf(token), id, ofAll];
    const ended = await this.statements.run<{ name: string }>(END_OTHER_SESSIONS, values);
    return ended.map(({ name }) => name);
  }

  #live(): [number, Buffer | null] {
    return [this.config.OPS_SESSION_IDLE_MS, this.emergency.mark];
  }

  #hashOf(token: string): Buffer {
    return this.hash.digest('operator session', token);
  }
}
