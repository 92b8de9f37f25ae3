import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { CDPSession, Page } from 'playwright-core';

/** Some members of WebAuthn.VirtualAuthenticatorOptions in the DevTools protocol. */
export interface AuthenticatorKind {
  /**
   * `internal`: the device itself has the authenticator, and a page has at most one of this kind. `usb`: a
   * security key.
   */
  transport: 'internal' | 'usb';
  hasUserVerification: boolean;
  isUserVerified: boolean;
  hasResidentKey: boolean;
  /** If false, no person touches the authenticator, and a registration or login keeps waiting. */
  automaticPresenceSimulation: boolean;
  /** The flags BE and BS of the passkeys that this authenticator makes. */
  defaultBackupEligibility: boolean;
  defaultBackupState: boolean;
}

/** A phone. Its owner's finger is on the sensor all the time. */
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
  /** In base64url without padding, as in pages and in the REST API. */
  credentialId: string;
  /** Absent if the passkey is not discoverable. */
  rpId: string | undefined;
  isResidentCredential: boolean;
  signCount: number;
  privateKey: KeyObject;
  /** SPKI in DER, encoded as base64url, as in the sandbox. */
  publicKeySpki: string;
}

/**
 * An authenticator that Chromium simulates for one page, through the DevTools protocol (WebAuthn Level 3
 * §11). While a page has a virtual authenticator, Chromium offers the page no real one. The virtual
 * authenticator goes away when the page closes.
 */
export class VirtualAuthenticator {
  readonly #devTools: CDPSession;
  readonly #authenticatorId: string;

  private constructor(devTools: CDPSession, authenticatorId: string) {
    this.#devTools = devTools;
    this.#authenticatorId = authenticatorId;
  }

  /** @param kind overrides members of {@link PHONE}. */
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

  /**
   * Decides whether a person touches the authenticator from now on. A registration that waits for a touch
   * then continues.
   */
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

/** Opens only one DevTools session for a page, because an authenticator exists only in its own session. */
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
