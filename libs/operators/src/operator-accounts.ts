import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import { CLOCK, ProblemError, uuidV7, type Clock } from '#libs/kernel';
import { EnvironmentAccount } from './environment-account.js';
import { ROLES, canonicalName, isOperatorName, type OperatorAccount, type Role } from './operator.js';
import { PasswordHashes } from './password-hashes.js';
import { checkNewPassword } from './new-password.js';
import { CREATE, DISABLE, ENABLE, LIST, SET_PASSWORD, SET_ROLE } from './statements.js';

/**
 * The operators' accounts. A session ends if its account is disabled, or gets another password or role.
 * Every method except `list` throws ProblemError: `validation_failed` for bad input, `not_found` for an
 * unknown name.
 */
@Injectable()
export class OperatorAccounts {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hashes: PasswordHashes,
    private readonly environment: EnvironmentAccount,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws ProblemError `validation_failed` with status 409 if the name is taken. */
  async create(given: { name: string; role: Role; password: string }): Promise<OperatorAccount> {
    const name = canonicalName(given.name);
    if (!isOperatorName(name)) {
      const detail =
        'A name is 1 to 64 of a-z, 0-9, ".", "_", "@" and "-", and begins with a letter or digit.';
      throw new ProblemError('validation_failed', { detail });
    }
    checkRole(given.role);
    checkNewPassword(name, given.password);
    const taken = new ProblemError('validation_failed', { status: 409, detail: `"${name}" is taken.` });
    // If two accounts had the same name, it would be unclear which password counts.
    if (this.environment.isNamed(name)) throw taken;
    const hash = await this.hashes.hash(given.password);
    const values = [uuidV7(this.clock.nowMs()), name, given.role, hash];
    const [created] = await this.statements.run<OperatorAccount>(CREATE, values);
    if (!created) throw taken;
    return created;
  }

  list(): Promise<OperatorAccount[]> {
    return this.statements.run<OperatorAccount>(LIST, []);
  }

  async setPassword(name: string, password: string): Promise<OperatorAccount> {
    checkNewPassword(canonicalName(name), password);
    return this.#change(SET_PASSWORD, name, await this.hashes.hash(password));
  }

  async setRole(name: string, role: Role): Promise<OperatorAccount> {
    checkRole(role);
    return this.#change(SET_ROLE, name, role);
  }

  disable(name: string): Promise<OperatorAccount> {
    return this.#change(DISABLE, name);
  }

  enable(name: string): Promise<OperatorAccount> {
    return this.#change(ENABLE, name);
  }

  async #change(statement: PreparedStatement, name: string, ...values: string[]): Promise<OperatorAccount> {
    const canonical = canonicalName(name);
    const [changed] = await this.statements.run<OperatorAccount>(statement, [canonical, ...values]);
    if (changed) return changed;
    const detail = this.environment.isNamed(canonical)
      ? 'This account is the environment’s: change OPS_USER and OPS_PASSWORD.'
      : 'There is no such operator.';
    throw new ProblemError('not_found', { detail });
  }
}

function checkRole(role: string): void {
  if (ROLES.some((each) => each === role)) return;
  throw new ProblemError('validation_failed', { detail: `A role is one of ${ROLES.join(', ')}.` });
}
