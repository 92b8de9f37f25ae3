import { randomBytes } from 'node:crypto';
import type { Sandbox } from '../../apps/sandbox/src/sandbox.js';
import { ORIGIN, RP_ID, type Story } from './story.js';

export const DOORS = ['turnkey', 'turnkey-auth-proxy'] as const;
export type Door = (typeof DOORS)[number];

/** Configures an integration with the sandbox's Turnkey, through Turnkey's API or its Auth Proxy. */
export const throughDoor =
  (door: Door, custody: 'server' | 'client' = 'server') =>
  ({ url, turnkey }: Sandbox): Record<string, string> => {
    const settings = {
      PROVIDER: door,
      BASE_URL: url,
      CUSTODY: custody,
      ORGANIZATION_ID: turnkey.organizationId,
      SIGNER_PUBLIC_KEY: turnkey.signerPublicKey,
      NOTARIZER_PUBLIC_KEY: turnkey.notarizerPublicKey,
      RP_ID,
      RP_NAME: 'Acme',
      ORIGINS: ORIGIN,
      ...(door === 'turnkey'
        ? { PRIVATE_KEY: turnkey.apiPrivateKeyHex!, APP_NAME: 'Acme' }
        : { AUTH_PROXY_URL: url, AUTH_PROXY_CONFIG_ID: turnkey.authProxyConfigId }),
    };
    const prefix = `INTEGRATION_${door.toUpperCase().replaceAll('-', '_')}_`;
    return {
      INTEGRATIONS: door,
      ...Object.fromEntries(Object.entries(settings).map(([name, value]) => [prefix + name, value])),
    };
  };

/** A user whose address the sandbox's Turnkey has verified, or does not know yet. */
export class Person {
  readonly email = `ana.${randomBytes(6).toString('hex')}@example.com`;
  readonly subject: Record<string, unknown>;

  constructor(
    private readonly story: Story,
    { known = true, named = false }: { known?: boolean; named?: boolean } = {},
  ) {
    const contact = { type: 'email', value: this.email };
    if (!known) {
      this.subject = { contact };
      return;
    }
    const { organizationId, userId } = story.sandbox.control.addTurnkeySubject({ contact: this.email });
    this.subject = named ? { organizationId, userId, contact } : { contact };
  }

  start(more: object = {}) {
    return this.story.call('POST', '/v1/onboardings', { subject: this.subject, ...more });
  }

  code(): string {
    const [mail] = this.story.sandbox.control.mails({ email: this.email });
    if (!mail) throw new Error(`no mail to ${this.email}`);
    return mail.code;
  }

  effects(type: string): number {
    return this.requests().filter(({ effect }) => (effect as { type?: string } | null)?.type === type).length;
  }

  requests() {
    const { control } = this.story.sandbox;
    const mine = control.requests({ contact: this.email });
    const userId = mine.find((entry) => entry.userId)?.userId;
    return control
      .requests()
      .filter((entry) => entry.contact === this.email || (userId && entry.userId === userId));
  }
}
