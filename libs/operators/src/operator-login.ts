import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { ProblemError, isOfAnyLength } from '#libs/kernel';
import { EnvironmentAccount } from './environment-account.js';
import { LoginThrottle } from './login-throttle.js';
import { OperatorAudit } from './operator-audit.js';
import { OperatorSessions } from './operator-sessions.js';
import { canonicalName, isOperatorName, type Operator } from './operator.js';
import { PasswordHashes } from './password-hashes.js';
import { FIND_FOR_LOGIN } from './statements.js';

export interface LoginTry {
  name: string;
  password: string;
  address: string;
  traceId: string;
}

interface Checked {
  operator: Operator;
  passwordHash: string | null;
}

/** A successful login. */
export interface Login {
  operator: Operator;
  /** The token of the new session. */
  token: string;
}

/** Logs operators in to the console. */
@Injectable()
export class OperatorLogin {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hashes: PasswordHashes,
    private readonly environment: EnvironmentAccount,
    private readonly throttle: LoginThrottle,
    private readonly sessions: OperatorSessions,
    private readonly audit: OperatorAudit,
  ) {}

  /**
   * @throws ProblemError `unauthenticated`, with the same text for an unknown name and a wrong password.
   *   `rate_limited` with `retryAfterS`.
   */
  async logIn({ password, address, traceId, ...typed }: LoginTry): Promise<Login> {
    const name = canonicalName(typed.name);
    const entry = { action: 'login', target: null, address, traceId };
    let known: string | null = null;
    try {
      await this.throttle.take(name, address);
      const checked = await this.#check(name, password, (operator) => (known = operator.name));
      const token = checked && (await this.sessions.begin(checked.operator, checked.passwordHash, address));
      if (!checked || !token)
        throw new ProblemError('unauthenticated', { detail: 'The name or the password is wrong.' });
      await this.throttle.giveBack(name, address);
      this.audit.record({ ...entry, operator: known, outcome: 'done' });
      return { operator: checked.operator, token };
    } catch (error) {
      // An unknown name is not recorded. It may be a password that was typed into the wrong field.
      const outcome = error instanceof ProblemError ? 'refused' : 'failed';
      this.audit.record({ ...entry, operator: known, outcome });
      throw error;
    }
  }

  async #check(name: string, password: string, isKnown: (who: Operator) => void): Promise<Checked | null> {
    const account = isOperatorName(name) ? await this.#find(name) : null;
    const environment = this.environment.isNamed(name) ? this.environment.operator : null;
    const operator = environment ?? account?.operator ?? null;
    if (operator) isKnown(operator);
    // No account has such a long password. So this early return reveals nothing about names.
    if (!isOfAnyLength(password)) return null;
    // Every case runs scrypt once, so that the time reveals nothing about the account.
    const passwordHash = environment ? null : (account?.passwordHash ?? null);
    const isRight = await this.hashes.isRight(password, passwordHash);
    if (environment)
      return this.environment.isPassword(password) ? { operator: environment, passwordHash } : null;
    return account && isRight ? account : null;
  }

  async #find(name: string): Promise<{ operator: Operator; passwordHash: string } | null> {
    type Row = Operator & { id: string; passwordHash: string };
    const [row] = await this.statements.run<Row>(FIND_FOR_LOGIN, [name]);
    if (!row) return null;
    const { passwordHash, ...operator } = row;
    return { operator, passwordHash };
  }
}
