import type { Outcome } from '../outcome.js';
import { channelOf } from './organizations.js';
import type { OtpCode, OtpRequest } from './otp-codes.js';
import { OtpTarget } from './otp-target.js';
import { refusals } from './refusals.js';
import type { TurnkeyState } from './turnkey-state.js';

/** A caller's request for a code. */
export interface OtpOrder extends Omit<OtpRequest, 'target'> {
  /** Whether the caller must send the code back encrypted. */
  encrypted: boolean;
  /** The appearance and sender that the caller wants for the mail. The mailbox shows them. */
  message: object;
}

export interface TokenOrder {
  /** The organization that asked for the code. */
  organizationId: string;
  otpId: string;
  lifeMs: number;
}

/** Sends and verifies codes, for both APIs of Turnkey. */
export class OtpOperations {
  constructor(private readonly state: TurnkeyState) {}

  /** Sends a code. `otpEncryptionTargetBundle` is null if the caller sends the code back unencrypted. */
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

  /** First generation of activities: the code is not encrypted. A given key becomes the token's key. */
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
   * Second generation of activities: one encrypted bundle contains code and key. A bundle that cannot be
   * decrypted costs no try.
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
