import { createHash } from 'node:crypto';
import type { Clock } from '#libs/kernel';
import { UpstreamError } from './port/upstream-error.js';
import type { Call, CallLimits, Subject } from './port/upstream-provider.js';

/** A successful call for another subject proves for this time that the key works. */
const PROVEN_FOR_MS = 60_000;

interface Success {
  subject: string;
  atMs: number;
}

/**
 * Decides whether an unclear refusal concerns the key or the subject. It concerns the subject if the key has
 * just worked for another subject, a probe succeeds, and the provider refuses the same call once more.
 */
export class KeyOrSubject {
  /** For each kind of call: the last successes with two different subjects. */
  readonly #successes = new Map<string, Success[]>();

  constructor(
    private readonly clock: Clock,
    private readonly probe: (limits: CallLimits) => Promise<void>,
  ) {}

  /** @throws UpstreamError `rejected_unclear` if the provider refuses the subject. */
  async run<T>(name: string, call: Call, subject: Subject, make: (call: Call) => Promise<T>): Promise<T> {
    const startedAtMs = this.clock.monotonicMs();
    const leftMs = () => call.timeoutMs - (this.clock.monotonicMs() - startedAtMs);
    const key = fingerprint(subject);
    try {
      return await this.#made(name, key, () => make(call));
    } catch (error) {
      if (!isAmbiguous(error) || !this.#worksElsewhere(name, key) || !(await this.#isGood(leftMs())))
        throw error;
      if (leftMs() <= 0) throw error;
      return await this.#again(() => this.#made(name, key, () => make({ ...call, timeoutMs: leftMs() })));
    }
  }

  async #made<T>(name: string, subject: string, make: () => Promise<T>): Promise<T> {
    const result = await make();
    const others = (this.#successes.get(name) ?? []).filter((each) => each.subject !== subject);
    this.#successes.set(name, [{ subject, atMs: this.clock.monotonicMs() }, ...others].slice(0, 2));
    return result;
  }

  #worksElsewhere(name: string, subject: string): boolean {
    const since = this.clock.monotonicMs() - PROVEN_FOR_MS;
    return (this.#successes.get(name) ?? []).some((each) => each.subject !== subject && each.atMs >= since);
  }

  async #isGood(timeoutMs: number): Promise<boolean> {
    if (timeoutMs <= 0) return false;
    try {
      await this.probe({ timeoutMs, beforeSend: () => undefined });
      return true;
    } catch (error) {
      if (error instanceof UpstreamError) return false;
      throw error;
    }
  }

  /** A server of the provider with outdated data may have refused the first call. */
  async #again<T>(make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (error) {
      if (!isAmbiguous(error)) throw error;
      const detail = `${error.message}; only this subject is refused: our key works for another subject`;
      throw new UpstreamError('rejected_unclear', { detail, evidence: error.evidence, cause: error });
    }
  }
}

/** A hash, because it stays in memory after an erasure. */
const fingerprint = (subject: Subject) =>
  createHash('sha256').update(JSON.stringify(subject)).digest('base64');

const isAmbiguous = (error: unknown): error is UpstreamError =>
  error instanceof UpstreamError && error.failure === 'misconfigured' && error.mayBeOfSubject;
