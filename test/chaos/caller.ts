import { setTimeout as pause } from 'node:timers/promises';
import type { OnboardingResource } from '../../apps/onboarding/src/onboarding.dto.js';
import type { SandboxControl } from '../../apps/sandbox/src/control/sandbox-control.js';
import { createPasskey } from '../../tools/passkey.js';
import type { SeededRandom } from '../support/drivers/seeded-random.js';
import { ServiceClient, type Answer, type Line } from './service-client.js';
import { SETTINGS } from '../support/drivers/settings.js';
import { LONGEST_DELAY_MS } from '../support/drivers/weather.js';
import { momentsOf } from '../support/moments.js';

export interface CallerOptions {
  name: string;
  random: SeededRandom;
  line: Line;
  sandbox: SandboxControl;
  subject: { accountId: string; userId: string; email: string };
  over(): boolean;
}

/** This long after an attempt began, its call can no longer take effect. */
const CALM_MS =
  2 * LONGEST_DELAY_MS + Number(SETTINGS.CALL_TIMEOUT_MS) + 2 * Number(SETTINGS.CLAIM_MAX_AGE_MS);
const PATIENCE_MS = 90_000;
/** How long a caller continues after the end of the run. */
const FAREWELL_MS = 10_000;

interface Sent {
  key: string;
  body: object;
}

/** A simulated caller with its user, who mistypes codes, waits too long, and sometimes cancels. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #client: ServiceClient;
  readonly #random: SeededRandom;
  #keys = 0;
  /** How many wrong codes the user will still type. */
  #mistypes: number;
  readonly #dawdles: boolean;
  /** The caller sends a repeated code with the same idempotency key. */
  readonly #typed = new Map<string, { key: string; answered: boolean }>();
  #registering: Sent | null = null;
  #leavesAt: number | undefined;
  /** `at`: the time of the first submission. */
  readonly #submitted: { at: number; credentialId: string }[] = [];
  #started: Sent | null = null;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#client = new ServiceClient(options.line, options.random);
    this.#mistypes = this.#random.chance(0.3) ? this.#random.int(1, 4) : 0;
    this.#dawdles = this.#random.chance(0.08);
  }

  async run(): Promise<void> {
    const until = Date.now() + PATIENCE_MS;
    let id = await this.#start(false);
    while (id && Date.now() < Math.min(until, this.#leavesAt ?? until)) {
      const seen = await this.#client.ask({ what: 'get', method: 'GET', path: `/v1/onboardings/${id}`, id });
      if (this.#options.over()) this.#leavesAt ??= Date.now() + FAREWELL_MS;
      if (seen?.status !== 200) continue;
      if (seen.body.nextAction.type === 'none') return this.#resolveAfterTheEnd(seen.body);
      // A waiting caller reads more often, so the user leaves with a smaller chance at each read.
      const moody = seen.body.nextAction.type === 'wait' ? 0.003 : 0.02;
      if (this.#random.chance(moody)) return; // the user leaves and does not return
      const cancels = this.#random.chance(moody);
      const supersedes = this.#random.chance(moody) && !this.#options.over();
      if (cancels) await this.#command(id, 'cancel', (key) => ({ reason: key }));
      else if (supersedes) {
        id = (await this.#start(true)) ?? id;
        this.#registering = null;
      } else await this.#act(seen.body);
    }
  }

  async #start(supersede: boolean): Promise<string | null> {
    const { accountId, userId } = this.#options.subject;
    for (let tries = 0; tries < 3; tries++) {
      if (!this.#started || supersede) {
        const key = this.#newKey();
        const body = { subject: { accountId, userId }, externalRef: key, ...(supersede && { supersede }) };
        this.#started = { key, body };
      }
      const answer = await this.#client.ask({
        what: 'start',
        method: 'POST',
        path: '/v1/onboardings',
        ...this.#started,
      });
      const id = answer?.body?.id ?? answer?.body?.onboardingId;
      if (id) return id;
      if (answer && answer.status < 500) return null; // the user gives up after a refusal
      supersede = false;
    }
    return null;
  }

  async #act(onboarding: OnboardingResource): Promise<void> {
    const { id, nextAction } = onboarding;
    switch (nextAction.type) {
      case 'wait':
        if (this.#random.chance(0.05)) await this.#command(id, 'retry', (key) => ({ reason: key }));
        return void (await pause(this.#random.int(50, 400)));
      case 'submit_otp':
        return this.#type(onboarding);
      case 'resend_otp':
        return this.#resend(onboarding);
      case 'submit_authenticators':
        return this.#register(onboarding);
      case 'resolve':
        return this.#handleUnknownOutcome(onboarding);
    }
  }

  async #type(onboarding: OnboardingResource): Promise<void> {
    const { id, otp } = onboarding;
    if (this.#dawdles && this.#random.chance(0.5)) await this.#dawdle(momentsOf(onboarding).before);
    const codes = this.#options.sandbox.mails({ email: this.#options.subject.email }).map(({ code }) => code);
    const untyped = codes.find((code) => !this.#typed.get(`${otp.sentAt} ${code}`)?.answered);
    let code = untyped;
    if (this.#mistypes > 0) {
      this.#mistypes -= 1;
      do code = String(this.#random.int(0, 999_999)).padStart(6, '0');
      while (codes.includes(code));
    }
    if (!code) return this.#resend(onboarding);
    const typed = this.#typed.get(`${otp.sentAt} ${code}`) ?? { key: this.#newKey(), answered: false };
    this.#typed.set(`${otp.sentAt} ${code}`, typed);
    const ask = {
      what: 'verify',
      method: 'POST',
      path: `/v1/onboardings/${id}/otp/verify`,
      body: { code },
      key: typed.key,
      id,
    } as const;
    // An impatient user presses the button more than once.
    const asked = Array.from({ length: this.#random.chance(0.1) ? 3 : 1 }, () => this.#client.ask(ask));
    if ((await Promise.all(asked)).some(isFinal)) typed.answered = true;
  }

  async #resend(onboarding: OnboardingResource): Promise<void> {
    const { id, otp } = onboarding;
    const waitMs = Date.parse(momentsOf(onboarding).notBefore ?? otp.resendAvailableAt ?? '') - Date.now();
    if (waitMs > 0) await pause(Math.min(waitMs, 1_000));
    await this.#command(id, 'resend', (key) => ({ reason: key }), 'otp/resend');
  }

  async #register(onboarding: OnboardingResource): Promise<void> {
    const { id } = onboarding;
    const path = `/v1/onboardings/${id}/authenticators`;
    if (this.#dawdles && this.#random.chance(0.7)) await this.#dawdle(momentsOf(onboarding).before);
    if (!this.#registering) {
      const options = await this.#client.ask({
        what: 'options',
        method: 'POST',
        path: `${path}/options`,
        body: { userName: 'ana@example.com' },
        id,
      });
      if (options?.status !== 200) return;
      const lies = this.#random.chance(0.05) ? { origin: 'https://evil.example.com' } : {};
      const credential = createPasskey({
        rpId: SETTINGS.INTEGRATION_BYZANTINE_RP_ID,
        origin: SETTINGS.INTEGRATION_BYZANTINE_ORIGINS,
        challenge: options.body.challenge!,
        ...lies,
      });
      this.#submitted.push({ at: Date.now(), credentialId: credential.id });
      const body = { authenticators: [{ authenticatorName: 'phone', credential }] };
      this.#registering = { key: this.#newKey(), body };
    }
    const answer = await this.#client.ask({
      what: 'authenticators',
      method: 'POST',
      path,
      ...this.#registering,
      id,
    });
    if (isFinal(answer)) this.#registering = null;
  }

  async #handleUnknownOutcome(onboarding: OnboardingResource): Promise<void> {
    const choice = this.#random.weighted({ resolve: 7, resend: 2, wait: 1 });
    if (choice === 'wait') return void (await pause(1_000));
    if (choice === 'resend') return this.#resend(onboarding);
    this.#registering = null;
    await this.#resolve(onboarding);
  }

  async #resolveAfterTheEnd(onboarding: OnboardingResource): Promise<void> {
    const { unresolved, state } = onboarding;
    if (!unresolved || state === 'completed' || !this.#random.chance(0.5)) return;
    await this.#resolve(onboarding);
  }

  async #resolve({ id, unresolved }: OnboardingResource): Promise<void> {
    const done =
      unresolved?.step === 'create-authenticators' && (await this.#isRegistered(Date.parse(unresolved.at)));
    await this.#command(id, 'resolve', (key) => ({ outcome: done ? 'done' : 'not_done', reason: key }));
  }

  /** The attempt's passkey is the last one that the caller submitted before `claimedAt`. */
  async #isRegistered(claimedAt: number): Promise<boolean> {
    await pause(Math.max(0, claimedAt + CALM_MS - Date.now()));
    const submitted = this.#submitted.findLast(({ at }) => at <= claimedAt)?.credentialId;
    const { sandbox, subject } = this.#options;
    return sandbox.authenticators(subject.userId).some(({ credentialId }) => credentialId === submitted);
  }

  async #command(
    id: string,
    what: 'cancel' | 'resend' | 'resolve' | 'retry',
    body: (key: string) => object,
    path: string = what,
  ): Promise<Answer | null> {
    const key = this.#newKey();
    return this.#client.ask({
      what,
      method: 'POST',
      path: `/v1/onboardings/${id}/${path}`,
      body: body(key),
      key,
      id,
    });
  }

  /** Waits until shortly before or shortly after the deadline. */
  async #dawdle(before: string | null | undefined): Promise<void> {
    const ms = Date.parse(before ?? '') - Date.now() + this.#random.int(-1_500, 300);
    if (ms > 0) await pause(ms);
  }

  #newKey(): string {
    this.#keys += 1;
    return `${this.#options.name}-${this.#keys}`;
  }
}

const isFinal = (answer: Answer | null) => answer !== null && answer.body?.retryable !== true;
