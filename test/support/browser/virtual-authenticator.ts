import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { CDPSession, Page } from 'playwright-core';

/** Members of WebAuthn.VirtualAuthenticatorOptions in the DevTools protocol. */
export interface AuthenticatorKind {
  /** `internal`: the device itself, of which a page has one at most. `usb`: a security key. */
  transport: 'internal' | 'usb';
  hasUserVerification: boolean;
  /** Whether the person proves who they are when asked. */
  isUserVerified: boolean;
  hasResidentKey: boolean;
  /** False: nobody touches it, and the ceremony waits. */
  automaticPresenceSimulation: boolean;
  /** The BE and BS flags of what it makes. */
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

/** What an authenticator keeps of a passkey. */
export interface KeptPasskey {
  /** base64url without padding, as pages and the REST interface have it. */
  credentialId: string;
  /** Absent where it is not discoverable. */
  rpId: string | undefined;
  isResidentCredential: boolean;
  signCount: number;
  /** What it signs with. */
  privateKey: KeyObject;
  /** SPKI, DER, base64url, as the sandbox's store has it. */
  publicKeySpki: string;
}

/**
 * An authenticator that Chromium plays for one page (WebDriver's virtual authenticator, WebAuthn Level 3 §11, by the
 * DevTools protocol). As long as one is plugged in, no real one is asked. It goes with its page.
 */
export class VirtualAuthenticator {
  readonly #devTools: CDPSession;
  readonly #authenticatorId: string;

  private constructor(devTools: CDPSession, authenticatorId: string) {
    this.#devTools = devTools;
    this.#authenticatorId = authenticatorId;
  }

  /** @param kind what is not told is as with {@link PHONE}. */
  static async plugInto(page: Page, kind: Partial<AuthenticatorKind> = {}): Promise<VirtualAuthenticator> {
    const devTools = await devToolsOf(page);
    const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', ...PHONE, ...kind } as const;
    const { authenticatorId } = await devTools.send('WebAuthn.addVirtualAuthenticator', { options });
    return new VirtualAuthenticator(devTools, authenticatorId);
  }

  /** With the last one gone, and nothing plugged in, the page's ceremonies find no authenticator. */
  async unplug(): Promise<void> {
    await this.#devTools.send('WebAuthn.removeVirtualAuthenticator', this.#self);
  }

  /** Whether the person proves who they are from now on. */
  async verifyUser(isUserVerified: boolean): Promise<void> {
    await this.#devTools.send('WebAuthn.setUserVerified', { ...this.#self, isUserVerified });
  }

  /** Whether somebody touches it from now on; what waits for a touch goes on. */
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

/** One for a page: what is plugged in is known to the session that did it, and to no other. */
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
