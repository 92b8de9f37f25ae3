import { UpstreamError } from '../port/upstream-error.js';
import type { Call, DeviceRequest, Grant, NewAuthenticator } from '../port/upstream-provider.js';
import { toAuthenticatorParams } from './authenticator-params.js';
import { deviceStamp } from './device-request.js';
import { readLoginProof } from './login-proof.js';
import type { OneTry } from '../transport/one-try.js';
import { Passkeys } from './passkeys.js';
import { TokenRefusal } from './refusal.js';
import { deviceStamper, openSessionKey, sessionStamper } from './session-keys.js';
import type { TokenCheck } from './token-check.js';
import type { Stamper, TurnkeyApi } from './turnkey-api.js';
import { notFound } from './turnkey-login.js';

type SessionKeyGrant = Grant & { type: 'session-key' };
type DeviceKeyGrant = Grant & { type: 'device-key' };

/** A login that the device has signed. `send` opens the session and returns its token. */
export type DeviceLogin = (
  grant: DeviceKeyGrant,
  clientSignature: object,
) => {
  body: string;
  send: (body: string) => Promise<string>;
};

export class PasskeySteps {
  readonly #passkeys: Passkeys;

  /** @param parent the key that may read all sub-organizations; null if the service has none. */
  constructor(
    private readonly api: TurnkeyApi,
    private readonly parent: Stamper | null,
    private readonly check: TokenCheck,
  ) {
    this.#passkeys = new Passkeys(api);
  }

  create(
    oneTry: OneTry,
    call: Call,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device: DeviceRequest | undefined,
    login: DeviceLogin,
  ): Promise<string[] | null> {
    if (grant.type === 'session-key') return this.#byServer(oneTry, call, grant, authenticators);
    if (grant.type === 'device-key' && device) {
      return this.#byDevice(oneTry, call, grant, authenticators, device, login);
    }
    throw new Error('Turnkey needs a session’s key or a device’s request');
  }

  /** The body is made only once. Each try makes a new stamp for it. */
  async #byServer(
    oneTry: OneTry,
    call: Call,
    grant: SessionKeyGrant,
    authenticators: readonly NewAuthenticator[],
  ) {
    const { organizationId, userId, privateKey } = grant;
    const { text: body, first } = await keptText(call, 'create-authenticators', () =>
      this.api.activity('ACTIVITY_TYPE_CREATE_AUTHENTICATORS_V2', organizationId, {
        userId,
        authenticators: authenticators.map(toAuthenticatorParams),
      }),
    );
    const stamper = sessionStamper(openSessionKey(privateKey));
    const credentialIds = authenticators.map(({ credentialId }) => credentialId);
    const reader = this.parent ?? stamper;
    return this.#passkeys.create(oneTry, {
      organizationId,
      userId,
      credentialIds,
      body,
      stamper,
      reader,
      repeated: !first,
    });
  }

  /**
   * Logs in with the device's signature, and forwards the device's request unchanged. If the login's answer
   * is lost, the passkey request shows whether the session is open. The refusal of a repeat proves nothing,
   * because an earlier try may have registered the passkeys.
   *
   * @throws UpstreamError `no_answer` if Turnkey refuses both the login and the passkey request of a repeat.
   */
  async #byDevice(
    oneTry: OneTry,
    call: Call,
    grant: DeviceKeyGrant,
    authenticators: readonly NewAuthenticator[],
    device: DeviceRequest,
    login: DeviceLogin,
  ) {
    const { organizationId, userId } = grant;
    const { body: loginBody, send } = login(grant, readLoginProof(grant, device.clientSignature));
    const stamp = deviceStamp(device, grant);
    const { text, first } = await keptText(call, 'otp-login', () => loginBody);
    const opened = await openedSession(oneTry, !first, () => send(text));
    const doubt = opened instanceof UpstreamError ? opened : null;
    if (!(opened instanceof UpstreamError)) this.#mustBeOf(grant, opened);
    try {
      return await this.#passkeys.create(oneTry, {
        organizationId,
        userId,
        credentialIds: authenticators.map(({ credentialId }) => credentialId),
        body: device.body,
        stamper: deviceStamper(stamp),
        reader: this.parent,
        repeated: !first,
      });
    } catch (error) {
      if (!doubt || !(error instanceof UpstreamError)) throw error;
      if (!first && isRefusal(doubt) && isRefusal(error)) throw asNoAnswer(error);
      throw error.reason === 'session_expired' ? doubt : error;
    }
  }

  /** The session may belong to another user, who must not get these passkeys. */
  #mustBeOf({ organizationId, userId, publicKey }: DeviceKeyGrant, token: string): void {
    const session = this.check.deviceSession(token, { organizationId, publicKey });
    if (session.userId.toLowerCase() !== userId.toLowerCase()) {
      throw notFound('the session that the device opened belongs to another user of the sub-organization');
    }
  }
}

/** The session's token, or an error that does not show whether a session was opened. */
async function openedSession(
  oneTry: OneTry,
  repeated: boolean,
  open: () => Promise<string>,
): Promise<string | UpstreamError> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const lost = error.failure === 'unavailable' || error.failure === 'no_answer';
    const used = error instanceof TokenRefusal && error.token === 'token_used';
    const refused = repeated && isRefusal(error);
    if ((lost || used || refused) && oneTry.leftMs > 0) return error;
    throw refused ? asNoAnswer(error) : error;
  }
}

const isRefusal = ({ failure }: UpstreamError): boolean =>
  failure === 'rejected' || failure === 'rejected_unclear';

function asNoAnswer(error: UpstreamError): UpstreamError {
  const detail = `a repeat was refused, which proves nothing about an earlier try (${error.message})`;
  return new UpstreamError('no_answer', { detail, evidence: error.evidence, cause: error });
}

/** `first`: whether this attempt has created the text, which all attempts of the command use. */
async function keptText(call: Call, name: string, make: () => string) {
  let first = false;
  const text = await call.kept(name, () => {
    first = true;
    return make();
  });
  return { text, first };
}
