import { setTimeout as pause } from 'node:timers/promises';
import type { State } from '#libs/onboarding';
import type { OnboardingResource } from '../../apps/onboarding/src/onboarding.dto.js';
import type { CallerAnswer } from '../support/history/history.js';
import type { SeededRandom } from '../support/drivers/seeded-random.js';
import { SETTINGS } from '../support/drivers/settings.js';

export interface Answer {
  status: number;
  body: OnboardingResource & {
    code?: string;
    retryable?: boolean;
    onboardingId?: string;
    challenge?: string;
  };
}

export interface Ask {
  what: CallerAnswer['what'];
  method: 'GET' | 'POST';
  path: string;
  body?: object;
  /** The Idempotency-Key, the same for each repeat. */
  key?: string;
  /** The onboarding's id, if the path does not contain it. */
  id?: string;
}

export interface Line {
  serviceUrl(random: SeededRandom): string | null;
  answered(id: string, answer: CallerAnswer): void;
  /** For an answer that the service must never give. */
  fault(detail: string): void;
}

const TRIES = 12;
/** No answer of the service takes this long. */
const ANSWER_MS = 8_000;

/** A well-behaved client, which repeats a command at any replica with the same Idempotency-Key. */
export class ServiceClient {
  readonly #line: Line;
  readonly #random: SeededRandom;

  constructor(line: Line, random: SeededRandom) {
    this.#line = line;
    this.#random = random;
  }

  /** @returns null if no answer came. */
  async ask(ask: Ask): Promise<Answer | null> {
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await this.#once(ask);
      if (answer === null) await pause(this.#random.int(50, 400));
      else if (answer.status === 503) await pause(300);
      else if (answer.body?.code === 'idempotency_in_progress') await pause(800);
      else return answer;
    }
    return null;
  }

  async #once(ask: Ask): Promise<Answer | null> {
    const base = this.#line.serviceUrl(this.#random);
    if (!base) return null;
    const { method, path, body, key } = ask;
    try {
      const response = await fetch(base + path, {
        method,
        signal: AbortSignal.timeout(ANSWER_MS),
        headers: {
          authorization: `Bearer ${SETTINGS.API_KEY}`,
          ...(body && { 'content-type': 'application/json' }),
          ...(key && { 'idempotency-key': key }),
          ...(method === 'POST' && {
            prefer: this.#random.pick(['wait=2', 'wait=2', 'wait=1', 'respond-async']),
          }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const answer = { status: response.status, body: (text ? JSON.parse(text) : null) as Answer['body'] };
      this.#note(ask, answer, response.headers.get('idempotent-replayed') === 'true');
      return answer;
    } catch {
      return null; // refused, reset or timed out: no answer arrived
    }
  }

  #note({ what, key, id }: Ask, { status, body }: Answer, replayed: boolean): void {
    if (status >= 500 && status !== 503)
      this.#line.fault(`${what} ${id ?? ''} was answered ${status}: ${JSON.stringify(body)}`);
    const about = id ?? body?.id ?? body?.onboardingId;
    if (!about) return;
    const isOnboarding = status < 300 && body?.id !== undefined;
    this.#line.answered(about, {
      at: Date.now(),
      what,
      key: key ?? null,
      status,
      code: body?.code ?? null,
      replayed,
      version: isOnboarding ? body.version : null,
      state: isOnboarding ? (body.state as State) : null,
      updatedAt: isOnboarding ? Date.parse(body.updatedAt) : null,
      attemptsLeft: isOnboarding ? body.otp.attemptsLeft : null,
      otpSentAt: isOnboarding ? body.otp.sentAt : null,
    });
  }
}
