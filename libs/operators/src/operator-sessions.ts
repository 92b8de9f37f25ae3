import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { EnvironmentAccount } from './environment-account.js';
import type { Operator, Role } from './operator.js';
import { BEGIN_SESSION, END_SESSION, FIND_SESSION } from './statements.js';

/** OWASP ASVS 5.0 §7.2.3 asks for 128 bits. */
const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** A row is written at most this many times within an idle life: a page has many assets. */
const WRITES_PER_LIFE = 30;

/** Logins to the console. The table has a keyed hash of each token; the token itself only its browser has. */
@Injectable()
export class OperatorSessions {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly environment: EnvironmentAccount,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param passwordHash the one that was checked; null for the environment's account.
   * @returns a new token, base64url; null where the account has changed since its password was checked.
   */
  async begin(operator: Operator, passwordHash: string | null, address: string): Promise<string | null> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const mark = operator.id === null ? this.environment.mark : null;
    const life = this.config.OPS_SESSION_LIFE_MS;
    const values = [this.#hashOf(token), operator.id, passwordHash, mark, address, life, operator.role];
    const begun = await this.statements.run(BEGIN_SESSION, values);
    return begun.length > 0 ? token : null;
  }

  /**
   * @param inUse whether a person is behind it: what a page asks by itself, again and again, keeps no session alive.
   * @returns null for a token that is unknown, has expired, lay idle, or whose account has changed.
   */
  async find(token: string, inUse: boolean): Promise<Operator | null> {
    if (!TOKEN.test(token)) return null;
    const idle = this.config.OPS_SESSION_IDLE_MS;
    const values = [this.#hashOf(token), idle, this.environment.mark, idle / WRITES_PER_LIFE, inUse];
    type Found = { id: string | null; name: string | null; role: Role | null };
    const [found] = await this.statements.run<Found>(FIND_SESSION, values);
    if (!found) return null;
    const { id, name, role } = found;
    return id !== null && name !== null && role !== null ? { id, name, role } : this.environment.operator;
  }

  async end(token: string): Promise<void> {
    if (TOKEN.test(token)) await this.statements.run(END_SESSION, [this.#hashOf(token)]);
  }

  #hashOf(token: string): Buffer {
    return this.hash.of('operator session', token);
  }
}
