import type { BrowserContextOptions } from 'playwright-core';
import type { StoredAuthenticator } from '../../../apps/sandbox/src/webauthn/authenticators.js';
import type { OnboardingResource } from '../../../apps/onboarding/src/onboarding.dto.js';
import { RealBrowser, type WatchedPage } from '../browser/browser.js';
import { DemoPage } from './demo-page.js';
import { closedPort } from '../ports.js';
import { Story, type Subject } from '../story.js';
import type { TcpProxy } from '../tcp-proxy.js';

/** Each integration has its own demo. Only `attested` requires an attestation. */
export type DemoIntegration = 'byzantine' | 'attested';

export class DemoWorld {
  #emails = 0;
  readonly #open: WatchedPage[] = [];

  private constructor(
    readonly story: Story,
    readonly browser: RealBrowser,
    readonly service: TcpProxy,
    private readonly urls: Record<DemoIntegration, string>,
  ) {}

  static async begin(env: Record<string, string> = {}): Promise<DemoWorld> {
    // The service needs the demos' origins at its start, and the demos need the service's URL.
    const [byzantine, attested] = [await closedPort(), await closedPort()];
    const origins = [byzantine, attested].map((port) => `http://localhost:${port}`);
    const story = await Story.begin({
      website: { rpId: 'localhost', origins },
      env: ({ url, credential }) => ({
        INTEGRATIONS: 'byzantine,attested',
        INTEGRATION_ATTESTED_PROVIDER: 'byzantine',
        INTEGRATION_ATTESTED_BASE_URL: url,
        INTEGRATION_ATTESTED_PRIVATE_KEY: credential!.privateKeyHex,
        INTEGRATION_ATTESTED_RP_ID: 'localhost',
        INTEGRATION_ATTESTED_RP_NAME: 'Acme',
        INTEGRATION_ATTESTED_ORIGINS: origins.join(','),
        INTEGRATION_ATTESTED_ATTESTATION: 'direct',
        ...env,
      }),
    });
    try {
      const browser = await RealBrowser.launch();
      story.atEnd(() => browser.close());
      const service = await story.proxyTo('service');
      const start = async (integration: DemoIntegration, port: number) => {
        const { url } = await story.startDemo({
          DEMO_PORT: String(port),
          GANGWAY_URL: service.url,
          GANGWAY_INTEGRATION: integration,
        });
        return url;
      };
      const urls = await Promise.all([start('byzantine', byzantine), start('attested', attested)]);
      return new DemoWorld(story, browser, service, { byzantine: urls[0], attested: urls[1] });
    } catch (error) {
      await story.end();
      throw error;
    }
  }

  newEmail(): string {
    return `ana.${++this.#emails}@example.com`;
  }

  async visit({
    integration = 'byzantine' as DemoIntegration,
    ...options
  }: VisitOptions = {}): Promise<DemoPage> {
    const watched = await this.browser.open({ locale: 'en-GB', ...options });
    this.#open.push(watched);
    const demo = new DemoPage(watched.page);
    if (options.before) await options.before(demo);
    await watched.page.goto(this.urls[integration]);
    return demo;
  }

  /** Closes all pages. @returns their complaints. */
  async leave(): Promise<string[]> {
    await this.service.open(); // a failed test may have left the proxy closed
    const pages = this.#open.splice(0);
    for (const { page } of pages) await page.context().close();
    return pages.flatMap(({ complaints }) => complaints);
  }

  code(email: string): string {
    return this.story.code(this.subject(email));
  }

  subject(email: string): Subject {
    const { control } = this.story.sandbox;
    const [mail] = control.mails({ email });
    const sent = control
      .requests({ route: 'init-otp' })
      .find(({ effect }) => (effect as { otpId?: string } | null)?.otpId === mail?.otpId);
    if (!sent) throw new Error(`no mail to ${email}`);
    return { accountId: sent.accountId!, userId: sent.userId!, email };
  }

  async onboarding(email: string): Promise<OnboardingResource> {
    const { userId } = this.subject(email);
    const { body } = await this.story.call<{ items: OnboardingResource[] }>(
      'GET',
      `/v1/onboardings?userId=${userId}&limit=1`,
    );
    return body.items[0]!;
  }

  stored(email: string): StoredAuthenticator[] {
    return this.story.sandbox.control.authenticators(this.subject(email).userId);
  }

  /** Counts the user's requests to register passkeys at the sandbox. */
  creations(email: string): number {
    return this.story.calls(this.subject(email), 'create-authenticators-otp');
  }

  end(): Promise<void> {
    return this.story.end();
  }
}

interface VisitOptions extends BrowserContextOptions {
  integration?: DemoIntegration;
  before?: (demo: DemoPage) => Promise<unknown>;
}
