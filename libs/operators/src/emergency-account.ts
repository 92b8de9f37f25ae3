import { Inject, Injectable } from '@nestjs/common';
import { equalInConstantTime } from '#libs/kernel';
import { CONFIG, KeyedHash, type ConsoleConfig } from '#libs/platform';

/** Unicode form NFKC, so that all keyboards produce the same password (NIST SP 800-63B §3.1.1.2). */
const canonical = (password: string) => password.normalize('NFKC');

/** The login with `OPS_PASSWORD`, for times when the identity provider is down. */
@Injectable()
export class EmergencyAccount {
  readonly isOn: boolean;
  /** A keyed hash of the password. Emergency sessions store it, so a new password ends them. */
  readonly mark: Buffer | null;
  readonly #password: string;

  constructor(@Inject(CONFIG) { OPS_PASSWORD }: ConsoleConfig, hash: KeyedHash) {
    this.isOn = OPS_PASSWORD !== undefined;
    this.#password = canonical(OPS_PASSWORD?.reveal() ?? '');
    this.mark = this.isOn ? hash.digest('emergency account', this.#password) : null;
  }

  isPassword(typed: string): boolean {
    return this.isOn && equalInConstantTime(canonical(typed), this.#password);
  }
}
