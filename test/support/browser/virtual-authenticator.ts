import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { CDPSession, Page } from 'playwright-core';

/** From WebAuthn.VirtualAuthenticatorOptions in the DevTools protocol. */
export interface AuthenticatorKind {
  /** `internal`: built into the device, at most one for a page. `usb`: a security key. */
  transport: 'internal' | 'usb';
  hasUserVerification: boolean;
  isUserVerified: boolean;
  hasResidentKey: boolean;
  /** If false, a registration or login waits for a touch. */
  automaticPresenceSimulation: boolean;
  defaultBackupEligibility: boolean;
  defaultBackupState: boolean;
}

const PHONE: AuthenticatorKind = {
  transport: 'internal',
  hasUserVerification: true,
  isUserVerified: true,
  hasResidentKey: true,
  automaticPresenceSimulation: true,
  defaultBackupEligibility: true,
  defaultBackupState: true,
};

export interface KeptPasskey {
  /** Base64url without padding. */
  credentialId: string;
  /** Absent if the passkey is not discoverable. */
  rpId: string | undefined;
  isResidentCredential: boolean;
  signCount: number;
  privateKey: KeyObject;
  /** SPKI in DER, as base64url. */
  publicKeySpki: string;
}

/** An authenticator that Chromium simulates until the page closes (WebAuthn Level 3 §11). */
export class VirtualAuthenticator {
  readonly #devTools: CDPSession;
  readonly #authenticatorId: string;

  private constructor(devTools: CDPSession, authenticatorId: string) {
    this.#devTools = devTools;
    this.#authenticatorId = authenticatorId;
  }

  static async plugInto(page: Page, kind: Partial<AuthenticatorKind> = {}): Promise<VirtualAuthenticator> {
    const devTools = await devToolsOf(page);
    const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', ...PHONE, ...kind } as const;
    const { authenticatorId } = await devTools.send('WebAuthn.addVirtualAuthenticator', { options });
    return new VirtualAuthenticator(devTools, authenticatorId);
  }

  async unplug(): Promise<void> {
    await this.#devTools.send('WebAuthn.removeVirtualAuthenticator', this.#self);
  }

  async verifyUser(isUserVerified: boolean): Promise<void> {
    await this.#devTools.send('WebAuthn.setUserVerified', { ...this.#self, isUserVerified });
  }

  /** Sets whether a person touches the authenticator, also in a waiting registration. */
  async touch(enabled: boolean): Promise<void> {
    await this.#devTools.send('WebAuthn.setAutomaticPresenceSimulation', { ...this.#self, enabled });
  }

  async passkeys(): Promise<KeptPasskey[]> {
    const { credentials } = await this.#devTools.send('WebAuthn.getCredentials', this.#self);
    return credentials.map(({ credentialId, rpId, isResidentCredential, signCount, privateKey: pkcs8 }) => {
      const privateKey = createPrivateKey({
        key: Buffer.from(pkcs8, 'base64'),
        format: 'der',
        type: 'pkcs8',
      });
      const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
      return {
        credentialId: Buffer.from(credentialId, 'base64').toString('base64url'),
        rpId,
        isResidentCredential,
        signCount,
        privateKey,
        publicKeySpki: publicKey.toString('base64url'),
      };
    });
  }

  get #self(): { authenticatorId: string } {
    return { authenticatorId: this.#authenticatorId };
  }
}

const sessions = new WeakMap<Page, Promise<CDPSession>>();

/** Opens one session for each page, because an authenticator exists only in its DevTools session. */
function devToolsOf(page: Page): Promise<CDPSession> {
  const open = async () => {
    const devTools = await page.context().newCDPSession(page);
    await devTools.send('WebAuthn.enable');
    return devTools;
  };
  const session = sessions.get(page) ?? open();
  sessions.set(page, session);
  return session;
}
