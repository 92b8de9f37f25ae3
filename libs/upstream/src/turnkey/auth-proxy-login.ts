import { z } from 'zod';
import type { Clock, Secret } from '#libs/kernel';
import { encryptOtpCode, signClientSignature, type SigningKey } from '#libs/signing';
import { UpstreamError } from '../port/upstream-error.js';
import type { Call, Grant, SentOtp } from '../port/upstream-provider.js';
import type { AuthProxyApi } from './auth-proxy-api.js';
import { FILTER_TYPES, asSignedContact, asUserContact } from './contact.js';
import { opaqueId } from '../transport/opaque.js';
import type { OneTry } from '../transport/one-try.js';
import { mustBe } from './proofs.js';
import { TokenRefusal } from './refusal.js';
import { keptSessionKey, sessionStamper } from './session-keys.js';
import type { TokenCheck } from './token-check.js';
import type { TurnkeyApi } from './turnkey-api.js';
import { afterTheCode, notFound, type Verified } from './turnkey-login.js';
import type { TurnkeySubject } from './turnkey-subject.js';

const whoami = z.object({ organizationId: opaqueId, userId: opaqueId });

/**
 * Exchanges a code for a session. At the Auth Proxy, a repeated request does not return the first result.
 * Therefore the service stores each result immediately, and looks up a lost one if possible.
 */
export class AuthProxyLogin {
  constructor(
    private readonly proxy: AuthProxyApi,
    private readonly api: TurnkeyApi,
    private readonly check: TokenCheck,
    private readonly clock: Clock,
    private readonly parentId: string,
  ) {}

  async byCode(
    oneTry: OneTry,
    call: Call,
    subject: TurnkeySubject,
    sent: SentOtp,
    code: Secret,
  ): Promise<Grant> {
    const { key, privateKey } = await keptSessionKey(call);
    const publicKey = key.publicKeyCompressedHex;
    const encryptedOtpBundle = await call.kept('otp-bundle', () =>
      encryptOtpCode(this.check.otpTarget(sent.targetBundle ?? ''), code, publicKey),
    );
    const verified = await this.#verify(oneTry, call, subject, sent, encryptedOtpBundle, publicKey);
    const { organizationId, ...session } = await afterTheCode(() =>
      withToken(async () => {
        const id = subject.organizationId ?? (await this.#organization(oneTry, subject, key, verified));
        return { organizationId: id, ...(await this.#logIn(oneTry, call, id, key, verified)) };
      }),
    );
    if (subject.userId && session.userId.toLowerCase() !== subject.userId) {
      throw notFound('the contact belongs to another user of the sub-organization');
    }
    return {
      type: 'session-key',
      organizationId,
      userId: session.userId,
      privateKey,
      expiresAt: session.expiresAt,
    };
  }

  byDevice(
    oneTry: OneTry,
    call: Call,
    subject: TurnkeySubject,
    sent: SentOtp,
    bundle: string,
  ): Promise<Verified> {
    return this.#verify(oneTry, call, subject, sent, bundle);
  }

  /** A code gives only one token, so the service stores it. */
  async #verify(
    oneTry: OneTry,
    call: Call,
    { contact }: TurnkeySubject,
    { handle: otpId }: SentOtp,
    encryptedOtpBundle: string,
    publicKey?: string,
  ): Promise<Verified> {
    const jwt = await call.kept('verification-token', async () => {
      const body = { otpId, encryptedOtpBundle };
      return (await this.proxy.post(oneTry, 'otp_verify_v2', body)).verificationToken;
    });
    const expected = { organizationId: this.parentId, contact, ...(publicKey && { publicKey }) };
    return { jwt, token: this.check.verification(jwt, expected) };
  }

  async #organization(
    oneTry: OneTry,
    subject: TurnkeySubject,
    key: SigningKey,
    verified: Verified,
  ): Promise<string> {
    const found = await this.#account(oneTry, subject, verified);
    if (found) return found;
    // A new user would not be the user that the subject names.
    if (subject.userId) {
      throw notFound('no sub-organization has the contact, and the subject names a user');
    }
    const credentials = { apiKeys: [], authenticators: [], oauthProviders: [] };
    const signupV2 = { ...credentials, ...asSignedContact(subject.contact) };
    try {
      const { organizationId } = await this.proxy.post(oneTry, 'signup_v2', {
        ...asUserContact(subject.contact),
        userName: subject.contact.value,
        organizationName: subject.contact.value,
        ...credentials,
        verificationToken: verified.jwt,
        clientSignature: signClientSignature(key, { tokenId: verified.token.id, signupV2 }),
      });
      return organizationId;
    } catch (error) {
      if (!wasLost(error) || oneTry.leftMs <= 0) throw error;
      const made = await this.#account(oneTry, subject, verified).catch((cause: unknown) => {
        if (cause instanceof UpstreamError) return undefined;
        throw cause;
      });
      if (made) return made;
      throw error;
    }
  }

  async #account(
    oneTry: OneTry,
    { contact }: TurnkeySubject,
    { jwt }: Verified,
  ): Promise<string | undefined> {
    const filter = {
      filterType: FILTER_TYPES[contact.type],
      filterValue: contact.value,
      verificationToken: jwt,
    };
    return (await this.proxy.post(oneTry, 'account', filter)).organizationId;
  }

  async #logIn(
    oneTry: OneTry,
    call: Call,
    organizationId: string,
    key: SigningKey,
    { jwt, token }: Verified,
  ): Promise<{ userId: string; expiresAt: Date }> {
    const publicKey = key.publicKeyCompressedHex;
    const firstLoginMs = Number(await call.kept('first-login-ms', () => String(this.clock.nowMs())));
    try {
      const clientSignature = signClientSignature(key, { tokenId: token.id, login: { publicKey } });
      const body = { verificationToken: jwt, publicKey, clientSignature, organizationId };
      const { session } = await this.proxy.post(oneTry, 'otp_login_v2', body);
      return this.check.session(session, { organizationId, publicKey });
    } catch (error) {
      const used = error instanceof TokenRefusal && error.token === 'token_used';
      if (!(used || wasLost(error)) || oneTry.leftMs <= 0) throw error;
      const session = await this.#lostSession(oneTry, organizationId, key, firstLoginMs);
      if (session) return session;
      throw error;
    }
  }

  /**
   * If a login whose answer was lost has opened the session, `whoami` with the session's key succeeds. The
   * lost answer contained the expiry, so the service adds the configured lifetime to the time of the first
   * login.
   *
   * @returns null if the session is not open, or if this is unknown
   */
  async #lostSession(oneTry: OneTry, organizationId: string, key: SigningKey, firstLoginMs: number) {
    try {
      const user = await this.api.query(oneTry, {
        path: 'whoami',
        parameters: { organizationId },
        stamper: sessionStamper(key),
        schema: whoami,
        organization: 'sub',
      });
      mustBe(user.organizationId === organizationId, 'a session in another organization');
      const { sessionExpirationSeconds } = await this.proxy.post(oneTry, 'wallet_kit_config', {});
      return { userId: user.userId, expiresAt: new Date(firstLoginMs + sessionExpirationSeconds * 1000) };
    } catch (error) {
      if (error instanceof UpstreamError) return null;
      throw error;
    }
  }
}

/**
 * After a lost answer, a later try continues with the stored token, and the user needs no other code.
 *
 * @throws UpstreamError `unavailable` instead of `no_answer`.
 */
async function withToken<T>(requests: () => Promise<T>): Promise<T> {
  try {
    return await requests();
  } catch (error) {
    if (!(error instanceof UpstreamError && error.failure === 'no_answer')) throw error;
    const { message: detail, evidence, retryAfterMs } = error;
    const more = { cause: error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    throw new UpstreamError('unavailable', { detail, evidence, ...more });
  }
}

const wasLost = (error: unknown): boolean =>
  error instanceof UpstreamError && (error.failure === 'unavailable' || error.failure === 'no_answer');
