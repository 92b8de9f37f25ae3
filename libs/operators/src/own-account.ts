import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { ProblemError, canonicalPassword, isOfAnyLength } from '#libs/kernel';
import { EnvironmentAccount } from './environment-account.js';
import { LoginThrottle } from './login-throttle.js';
import { checkNewPassword } from './new-password.js';
import { OperatorAudit } from './operator-audit.js';
import { OperatorSessions } from './operator-sessions.js';
import type { Operator } from './operator.js';
import { PasswordHashes } from './password-hashes.js';
import { FIND_OWN_PASSWORD } from './statements.js';

/** The operator who acts on the own account, with the session and the address. */
export interface OwnAct {
  operator: Operator;
  /** The session's token. */
  token: string;
  address: string;
  traceId: string;
}

/**
 * Lets operators change their own account. Each action needs the password again, so that an open screen or
 * a stolen token is not enough. Wrong passwords count as failed logins. Methods throw ProblemError:
 * `forbidden` for a wrong password, `rate_limited` with `retryAfterS`.
 */
@Injectable()
export class OwnAccount {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hashes: PasswordHashes,
    private readonly environment: EnvironmentAccount,
    private readonly throttle: LoginThrottle,
    private readonly sessions: OperatorSessions,
    private readonly audit: OperatorAudit,
  ) {}

  /**
   * Changes the password, ends the account's other sessions, and gives this session a new token.
   *
   * @returns the new token.
   * @throws ProblemError also `validation_failed` if the new password breaks the rule or equals the old one;
   *   `unauthenticated` if the account changed meanwhile.
   */
  async changePassword(
    act: OwnAct,
    { current, wanted }: { current: string; wanted: string },
  ): Promise<string> {
    const { operator, token } = act;
    if (operator.id === null) {
      throw new ProblemError('forbidden', {
        detail: 'The password of this account is set by OPS_PASSWORD. Change that variable.',
      });
    }
    checkNewPassword(operator.name, wanted);
    if (canonicalPassword(wanted) === canonicalPassword(current)) {
      throw new ProblemError('validation_failed', {
        detail: 'The new password is the same as the current one.',
      });
    }
    return this.#confirmed('password', act, current, async (checked) => {
      const renewed = await this.sessions.renew(token, operator, {
        checked,
        hash: await this.hashes.hash(wanted),
      });
      if (renewed) return renewed;
      throw new ProblemError('unauthenticated', { detail: 'The account has changed meanwhile.' });
    });
  }

  /** Ends other sessions, never the current one. @param id of one session, or null for all others. */
  async endSessions(act: OwnAct, password: string, id: string | null): Promise<void> {
    const action = id === null ? 'end other sessions' : 'end session';
    await this.#confirmed(action, act, password, () => this.sessions.endOthers(act.operator, act.token, id));
  }

  async #confirmed<T>(
    action: string,
    { operator, address, traceId }: OwnAct,
    password: string,
    act: (checked: string | null) => Promise<T>,
  ): Promise<T> {
    const entry = { action, operator: operator.name, target: null, address, traceId };
    try {
      await this.throttle.take(operator.name, address);
      const checked = await this.#check(operator, password);
      await this.throttle.giveBack(operator.name, address);
      const done = await act(checked);
      this.audit.record({ ...entry, outcome: 'done' });
      return done;
    } catch (error) {
      this.audit.record({ ...entry, outcome: error instanceof ProblemError ? 'refused' : 'failed' });
      throw error;
    }
  }

  /** @returns the hash that the password matches. Null for the account from the environment. */
  async #check({ id }: Operator, password: string): Promise<string | null> {
    const wrong = new ProblemError('forbidden', { detail: 'The current password is wrong.' });
    if (!isOfAnyLength(password)) throw wrong;
    if (id === null) {
      if (!this.environment.isPassword(password)) throw wrong;
      return null;
    }
    const [own] = await this.statements.run<{ passwordHash: string }>(FIND_OWN_PASSWORD, [id]);
    if (!own || !(await this.hashes.isRight(password, own.passwordHash))) throw wrong;
    return own.passwordHash;
  }
}
