import { z } from 'zod';
import { encryptOtpCode, signClientSignature, type SigningKey } from '#libs/signing';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';
import type { Secret } from '#libs/kernel';
import type { Call, Grant, SentOtp } from '../port/upstream-provider.js';
import { FILTER_TYPES, asSignedContact, asUserContact } from './contact.js';
import { opaqueId, opaqueText } from '../transport/opaque.js';
import type { OneTry } from '../transport/one-try.js';
import { ForeignKey } from './refusal.js';
import type { VerificationToken } from './proofs.js';
import { keptSessionKey } from './session-keys.js';
import type { TokenCheck } from './token-check.js';
import type { Stamper, TurnkeyApi } from './turnkey-api.js';
import type { TurnkeySubject } from './turnkey-subject.js';

const verified = z.object({ verificationToken: opaqueText });
const loggedIn = z.object({ session: opaqueText });
const organizations = z.object({ organizationIds: z.array(opaqueId) });
const signedUp = z.object({ subOrganizationId: opaqueId });

/** All steps of an onboarding must use one version (Turnkey's migration notes). */
const GENERATIONS = {
  encrypted: { verify: 'VERIFY_OTP_V2', signUp: 'CREATE_SUB_ORGANIZATION_V8', logIn: 'OTP_LOGIN_V2' },
  plain: { verify: 'VERIFY_OTP', signUp: 'CREATE_SUB_ORGANIZATION_V7', logIn: 'OTP_LOGIN' },
} as const;

/** The configuration may have changed since the code was sent. */
const generationOf = (sent: SentOtp) => (sent.targetBundle === undefined ? 'plain' : 'encrypted');

export interface TurnkeyLoginOptions {
  parentId: string;
  parent: Stamper;
  sessionLifeS: number;
}

export interface Verified {
  jwt: string;
  token: VerificationToken;
}

/** Verifies the code, finds or creates the sub-organization, and logs in. */
export class TurnkeyLogin {
  constructor(
    private readonly api: TurnkeyApi,
    private readonly check: TokenCheck,
    private readonly options: TurnkeyLoginOptions,
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
    const types = GENERATIONS[generationOf(sent)];
    const proof = async () =>
      sent.targetBundle === undefined
        ? { otpCode: code.reveal(), publicKey }
        : {
            encryptedOtpBundle: await encryptOtpCode(
              this.check.otpTarget(sent.targetBundle),
              code,
              publicKey,
            ),
          };
    const token = await this.#verify(oneTry, call, subject, types.verify, sent, proof, publicKey);
    return afterTheCode(() => this.#open(oneTry, call, subject, types, key, privateKey, token));
  }

  async #open(
    oneTry: OneTry,
    call: Call,
    subject: TurnkeySubject,
    types: (typeof GENERATIONS)[keyof typeof GENERATIONS],
    key: SigningKey,
    privateKey: Secret,
    token: Verified,
  ): Promise<Grant> {
    const publicKey = key.publicKeyCompressedHex;
    const organizationId = await this.#organization(oneTry, call, subject, types.signUp, key, token);
    const body = await call.kept('otp-login', () =>
      this.loginBody(
        types.logIn,
        organizationId,
        token.jwt,
        publicKey,
        signClientSignature(key, { tokenId: token.token.id, login: { publicKey } }),
      ),
    );
    const jwt = await this.logIn(oneTry, body, 'otp_expired');
    const session = this.check.session(jwt, { organizationId, publicKey });
    if (subject.userId && session.userId.toLowerCase() !== subject.userId) {
      throw notFound('the contact belongs to another user of the sub-organization');
    }
    const { userId, expiresAt } = session;
    return { type: 'session-key', organizationId, userId, privateKey, expiresAt };
  }

  byDevice(
    oneTry: OneTry,
    call: Call,
    subject: TurnkeySubject,
    sent: SentOtp,
    bundle: string,
  ): Promise<Verified> {
    const proof = () => ({ encryptedOtpBundle: bundle });
    return this.#verify(oneTry, call, subject, GENERATIONS.encrypted.verify, sent, proof);
  }

  /** @param clientSignature a signature by the key that the token is bound to. */
  loginBody(
    type: (typeof GENERATIONS)[keyof typeof GENERATIONS]['logIn'],
    organizationId: string,
    verificationToken: string,
    publicKey: string,
    clientSignature: object,
  ): string {
    const expirationSeconds = String(this.options.sessionLifeS);
    const parameters = { verificationToken, publicKey, expirationSeconds, clientSignature };
    return this.api.activity(`ACTIVITY_TYPE_${type}`, organizationId, parameters);
  }

  /** @returns the session's token. */
  async logIn(oneTry: OneTry, body: string, tokenOver: 'otp_expired' | 'session_expired'): Promise<string> {
    const { parent } = this.options;
    try {
      const { session } = await this.api.submit(oneTry, {
        path: 'otp_login',
        body,
        stamper: parent,
        reader: parent,
        result: 'otpLoginResult',
        schema: loggedIn,
        organization: 'sub',
        tokenOver,
      });
      return session;
    } catch (error) {
      if (!(error instanceof ForeignKey) || !(await this.#parentKnowsOurKey(oneTry))) throw error;
      throw notFound('the organization that the subject names is not one of ours', error);
    }
  }

  async #parentKnowsOurKey(oneTry: OneTry): Promise<boolean> {
    const { parent, parentId } = this.options;
    if (oneTry.leftMs <= 0) return false;
    try {
      await this.api.query(oneTry, {
        path: 'whoami',
        parameters: { organizationId: parentId },
        stamper: parent,
        schema: z.object({}),
        organization: 'parent',
      });
      return true;
    } catch (error) {
      if (error instanceof UpstreamError) return false;
      throw error;
    }
  }

  /** Each try repeats this request, until the service has stored a valid token. */
  async #verify(
    oneTry: OneTry,
    call: Call,
    { contact }: TurnkeySubject,
    type: string,
    { handle }: SentOtp,
    proof: () => object | Promise<object>,
    publicKey?: string,
  ): Promise<Verified> {
    const { parentId, parent } = this.options;
    const expected = { organizationId: parentId, contact, ...(publicKey && { publicKey }) };
    const jwt = await call.kept('verification-token', async () => {
      const body = await call.kept('verify-otp', async () =>
        this.api.activity(`ACTIVITY_TYPE_${type}`, parentId, { otpId: handle, ...(await proof()) }),
      );
      const { verificationToken } = await this.api.submit(oneTry, {
        path: 'verify_otp',
        body,
        stamper: parent,
        reader: parent,
        result: 'verifyOtpResult',
        schema: verified,
        organization: 'parent',
      });
      this.check.verification(verificationToken, expected);
      return verificationToken;
    });
    return { jwt, token: this.check.verification(jwt, expected) };
  }

  async #organization(
    oneTry: OneTry,
    call: Call,
    { organizationId, userId, contact }: TurnkeySubject,
    type: string,
    key: SigningKey,
    token: Verified,
  ): Promise<string> {
    if (organizationId) return organizationId;
    const { parentId, parent } = this.options;
    const { organizationIds } = await this.api.query(oneTry, {
      path: 'list_verified_suborgs',
      parameters: {
        organizationId: parentId,
        filterType: FILTER_TYPES[contact.type],
        filterValue: contact.value,
      },
      stamper: parent,
      schema: organizations,
      organization: 'parent',
    });
    const [found, ...more] = organizationIds;
    // A passkey in the wrong wallet is worse than no passkey.
    if (more.length > 0)
      throw refusedSubject(
        'subject_ambiguous',
        'several sub-organizations have the contact: name one in the subject',
      );
    if (found) return found;
    // A new user would not be the user that the subject names.
    if (userId) throw notFound('no sub-organization has the contact, and the subject names a user');
    const body = await call.kept('create-sub-organization', () =>
      this.api.activity(`ACTIVITY_TYPE_${type}`, parentId, signUpParameters({ contact }, key, token)),
    );
    const { subOrganizationId } = await this.api.submit(oneTry, {
      path: 'create_sub_organization',
      body,
      stamper: parent,
      reader: parent,
      result: 'createSubOrganizationResult',
      schema: signedUp,
      organization: 'parent',
    });
    return subOrganizationId;
  }
}

/** For a new sub-organization with one root user, whose first credential is the session's key. */
function signUpParameters(
  { contact }: Pick<TurnkeySubject, 'contact'>,
  key: SigningKey,
  { jwt, token }: Verified,
) {
  const credentials = { apiKeys: [], authenticators: [], oauthProviders: [] };
  const signupV2 = { ...credentials, ...asSignedContact(contact) };
  return {
    subOrganizationName: contact.value,
    rootUsers: [{ userName: contact.value, ...asUserContact(contact), ...credentials }],
    rootQuorumThreshold: 1,
    verificationToken: jwt,
    clientSignature: signClientSignature(key, { tokenId: token.id, signupV2 }),
  };
}

/** @throws UpstreamError `login_refused` for a refusal without a reason, because the code is used up */
export async function afterTheCode<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.reason !== undefined) throw error;
    if (error.failure !== 'rejected' && error.failure !== 'rejected_unclear') throw error;
    const { message: detail, evidence } = error;
    throw new UpstreamError('rejected', { detail, evidence, reason: 'login_refused', cause: error });
  }
}

/** OneTry adds the facts about the call to this error. */
export const notFound = (detail: string, cause?: UpstreamError) =>
  refusedSubject('subject_not_found', detail, cause);

function refusedSubject(
  reason: 'subject_not_found' | 'subject_ambiguous',
  detail: string,
  cause?: UpstreamError,
): UpstreamError {
  const evidence = cause?.evidence ?? NOTHING_SENT;
  return new UpstreamError('rejected', { detail, evidence, reason, cause });
}
