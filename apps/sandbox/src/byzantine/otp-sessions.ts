import { randomBytes, randomUUID } from 'node:crypto';
import type { SandboxClock } from '../sandbox-clock.js';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';
import type { Subject } from './subjects.js';

/** For this time, an expired session is refused as expired. Later, it is refused as unknown. */
const REMEMBERED_MS = 60 * 60_000;

/** `session` is an opaque text, as at Byzantine. */
export interface OpenedSession {
  session: string;
  sessionId: string;
  /** ISO 8601, UTC. */
  expiresAt: string;
}

export class OtpSessions {
  readonly #sessions = new Map<string, { accountId: string; userId: string; expiresAtMs: number }>();

  constructor(
    private readonly clock: SandboxClock,
    private readonly lifeMs: number,
  ) {}

  open({ accountId, userId }: Subject): OpenedSession {
    this.#forgetOld();
    const sessionId = randomUUID();
    const expiresAtMs = this.clock.nowMs() + this.lifeMs;
    this.#sessions.set(sessionId, { accountId, userId, expiresAtMs });
    const session = `sandbox-session.${randomBytes(32).toString('base64url')}`;
    return { session, sessionId, expiresAt: new Date(expiresAtMs).toISOString() };
  }

  /** @throws Refusal 404 if there is no such session for this subject, 400 if it has expired */
  require({ accountId, userId }: Subject, sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    if (session?.accountId !== accountId || session.userId !== userId) {
      throw new Refusal(404, errorTexts.sessionNotFound);
    }
    if (session.expiresAtMs <= this.clock.nowMs()) throw new Refusal(400, errorTexts.sessionExpired);
  }

  reset(): void {
    this.#sessions.clear();
  }

  #forgetOld(): void {
    const horizon = this.clock.nowMs() - REMEMBERED_MS;
    for (const [sessionId, session] of this.#sessions) {
      if (session.expiresAtMs > horizon) return;
      this.#sessions.delete(sessionId);
    }
  }
}
