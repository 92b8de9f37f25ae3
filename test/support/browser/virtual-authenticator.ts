import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { CDPSession, Page } from 'playwright-core';

/** Members of WebAuthn.VirtualAuthenticatorOptions in the DevTools protocol. */
export interface AuthenticatorKind {
  /** `internal`: the device itself; a page has at most one. `usb`: a security key. */
  transport: 'internal' | 'usb';
  hasUserVerification: boolean;
  /** Whether user verification succeeds. */
  isUserVerified: boolean;
  hasResidentKey: boolean;
  /** If false, no person touches the authenticator, and the ceremony waits. */
  automaticPresenceSimulation: boolean;
  /** The BE and BS flags of its passkeys. */
  defaultBackupEligibility: boolean;
  defaultBackupState: boolean;
}

/** A phone with its owner's finger on it. */
const PHONE: AuthenticatorKind = {
  transport: 'internal',
  hasUserVerification: true,
  isUserVerified: true,
  hasResidentKey: true,
  automaticPresenceSimulation: true,
  defaultBackupEligibility: true,
  defaultBackupState: true,
};

/** The data that an authenticator stores for a passkey. */
export interface KeptPasskey {
  /** base64url without padding, as pages and the REST interface have it. */
  credentialId: string;
  /** Absent if the passkey is not discoverable. */
  rpId: string | undefined;
  isResidentCredential: boolean;
  signCount: number;
  /** The key that the passkey signs with. */
  privateKey: KeyObject;
  /** SPKI, DER, base64url, as the sandbox's store has it. */
  publicKeySpki: string;
}

/**
 * An authenticator that Chromium simulates for one page: WebDriver's virtual authenticator (WebAuthn Level 3
 * §11), over the DevTools protocol. While a page has a virtual authenticator, Chromium uses no real one for
 * this page. It is removed when the page closes.
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

  /** After the last authenticator is unplugged, the page's ceremonies find no authenticator. */
  async unplug(): Promise<void> {
    await this.#devTools.send('WebAuthn.removeVirtualAuthenticator', this.#self);
  }

  /** Whether user verification succeeds from now on. */
  async verifyUser(isUserVerified: boolean): Promise<void> {
    await this.#devTools.send('WebAuthn.setUserVerified', { ...this.#self, isUserVerified });
  }

  /**
   * Whether a person touches the authenticator from now on. A ceremony that waits for a touch then goes on.
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

/** One session for each page: an authenticator is known only to the session that added it. */
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
