import type { Outcome } from '../outcome.js';
import { channelOf } from './organizations.js';
import type { OtpCode, OtpRequest } from './otp-codes.js';
import { OtpTarget } from './otp-target.js';
import { refusals } from './refusals.js';
import type { TurnkeyState } from './turnkey-state.js';

export interface OtpOrder extends Omit<OtpRequest, 'target'> {
  /** Whether the caller must send the code back encrypted. */
  encrypted: boolean;
  /** The requested appearance and sender of the mail, which the mailbox shows. */
  message: object;
}

export interface TokenOrder {
  organizationId: string;
  otpId: string;
  lifeMs: number;
}

export class OtpOperations {
  constructor(private readonly state: TurnkeyState) {}

  /** `otpEncryptionTargetBundle` is null if the caller sends the code back unencrypted. */
  init(order: OtpOrder): Outcome<{ otpId: string; otpEncryptionTargetBundle: string | null }> {
    const { clock, codes, keys, mailbox } = this.state;
    const { encrypted, message, ...request } = order;
    const target = encrypted ? new OtpTarget() : null;
    const { otpId, code, contact } = codes.issue({ ...request, target });
    const channel = channelOf(contact);
    mailbox.deliver({
      otpId,
      email: channel === 'email' ? contact : '',
      code,
      at: new Date(clock.nowMs()).toISOString(),
      contact,
      channel,
      message,
    });
    const otpEncryptionTargetBundle = target?.bundle(keys.signer, order.organizationId) ?? null;
    return { answer: { otpId, otpEncryptionTargetBundle }, effect: { type: 'otp_sent', otpId } };
  }

  /** Verifies an unencrypted code (version 1 of the activity). Binds the token to the key, if given. */
  verifyPlain(
    order: TokenOrder,
    otpCode: string,
    publicKey: string | null,
  ): Outcome<{ verificationToken: string }> {
    const { codes } = this.state;
    if (codes.require(order.organizationId, order.otpId).target) throw refusals.otpGeneration();
    return this.#grant(order, codes.redeem(order.organizationId, order.otpId, otpCode), publicKey, false);
  }

  /**
   * Verifies an encrypted code (version 2). The bundle also contains the key to which the token is bound. A
   * bundle that cannot be decrypted does not count as a wrong try.
   */
  async verifyEncrypted(order: TokenOrder, bundle: string): Promise<Outcome<{ verificationToken: string }>> {
    const { codes } = this.state;
    const { target } = codes.require(order.organizationId, order.otpId);
    if (!target) throw refusals.otpGeneration();
    const { code, publicKey } = await target.open(bundle);
    return this.#grant(order, codes.redeem(order.organizationId, order.otpId, code), publicKey, true);
  }

  #grant(
    { organizationId, lifeMs }: TokenOrder,
    { otpId, contact, otpType }: OtpCode,
    publicKey: string | null,
    encrypted: boolean,
  ): Outcome<{ verificationToken: string }> {
    const { clock, tokens } = this.state;
    const expiresAtMs = clock.nowMs() + lifeMs;
    const verificationToken = tokens.mint({
      organizationId,
      otpType,
      contact,
      publicKey,
      expiresAtMs,
      encrypted,
    });
    const expiresAt = new Date(expiresAtMs).toISOString();
    return { answer: { verificationToken }, effect: { type: 'otp_verified', otpId, expiresAt } };
  }
}
