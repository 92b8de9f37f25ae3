import type { OnboardingResource } from '../../../apps/onboarding/src/onboarding.dto.js';
import type { Answer } from '../story.js';

/** The body is an onboarding or a problem. */
export type DemoAnswer = Answer<
  OnboardingResource & {
    code: string;
    detail: string;
    attemptsLeft: number;
    errors: object[];
    email: string;
    ref?: string;
  }
>;

export class DemoBrowser {
  cookie = '';
  /** Refers to the onboarding in this browser tab. */
  ref = '';

  constructor(private readonly url: string) {}

  get(path = ''): Promise<DemoAnswer> {
    return this.#send(path, {});
  }

  post(path: string, body?: object): Promise<DemoAnswer> {
    return this.#send(path, {
      method: 'POST',
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  }

  events(lastEventId?: string, signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.url}/api/onboarding/events?ref=${this.ref}`, {
      headers: { cookie: this.cookie, ...(lastEventId && { 'last-event-id': lastEventId }) },
      signal: signal ?? null,
    });
  }

  async #send(path: string, init: RequestInit): Promise<DemoAnswer> {
    const response = await fetch(`${this.url}/api/onboarding${path}`, {
      ...init,
      headers: { ...init.headers, 'x-onboarding': this.ref, ...(this.cookie && { cookie: this.cookie }) },
    });
    const [set] = response.headers.getSetCookie();
    if (set) this.cookie = set.split(';')[0]!;
    const body = (await response.json()) as DemoAnswer['body'];
    if (response.ok && body.state) this.ref = body.ref ?? '';
    return { status: response.status, headers: response.headers, body };
  }
}
