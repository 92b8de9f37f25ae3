import { Inject, Injectable } from '@nestjs/common';
import { canonicalPassword, equalInConstantTime } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { canonicalName, type Operator } from './operator.js';

type Settings = Pick<Config, 'OPS_USER' | 'OPS_PASSWORD'>;

/** The admin account from the environment (`OPS_USER`, `OPS_PASSWORD`). It can make other accounts. */
@Injectable()
export class EnvironmentAccount {
  /** Undefined if `OPS_PASSWORD` is not set. */
  readonly operator: Operator | null;
  /** A keyed hash of name and password. A new password changes it, which ends the account's sessions. */
  readonly mark: Buffer | null;
  readonly #password: string;

  constructor(@Inject(CONFIG) { OPS_USER, OPS_PASSWORD }: Settings, hash: KeyedHash) {
    const name = canonicalName(OPS_USER);
    this.#password = OPS_PASSWORD?.reveal() ?? '';
    this.operator = OPS_PASSWORD ? { id: null, name, role: 'admin', mustChange: false } : null;
    this.mark = OPS_PASSWORD ? hash.of('environment account', `${name}\n${this.#password}`) : null;
  }

  /** @param name as {@link canonicalName} returns it. */
  isNamed(name: string): boolean {
    return this.operator?.name === name;
  }

  isPassword(password: string): boolean {
    return equalInConstantTime(canonicalPassword(password), canonicalPassword(this.#password));
  }
}
