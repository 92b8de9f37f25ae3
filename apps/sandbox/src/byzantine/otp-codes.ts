import { randomInt, randomUUID } from 'node:crypto';
import type { SandboxClock } from '../sandbox-clock.js';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';
import type { Subject } from './subjects.js';

/** Byzantine uses Turnkey, so the sandbox assumes Turnkey's limit of wrong tries. */
export const TRIES_PER_CODE = 3;
/** An assumption: one more code makes the user's oldest code expire. */
export const LIVE_CODES_PER_USER = 3;
/** For this time, an expired code is refused as expired. Later, it is refused as unknown. */
const REMEMBERED_MS = 60 * 60_000;

interface OtpCode {
  otpId: string;
  accountId: string;
  userId: string;
  code: string;
  expiresAtMs: number;
  misses: number;
  used: boolean;
}

export class OtpCodes {
  readonly #codes = new Map<string, OtpCode>();
  readonly #liveByUser = new Map<string, OtpCode[]>();

  constructor(
    private readonly clock: SandboxClock,
    private readonly lifeMs: number,
  ) {}

  issue({ accountId, userId }: Subject): { otpId: string; code: string } {
    this.#forgetOld();
    const now = this.clock.nowMs();
    const code = String(randomInt(1_000_000)).padStart(6, '0');
    const otp: OtpCode = {
      otpId: randomUUID(),
      accountId,
      userId,
      code,
      expiresAtMs: now + this.lifeMs,
      misses: 0,
      used: false,
    };
    const live = (this.#liveByUser.get(userId) ?? []).filter((one) => !one.used && one.expiresAtMs > now);
    for (const fallen of live.splice(0, live.length - LIVE_CODES_PER_USER + 1)) fallen.expiresAtMs = now;
    this.#liveByUser.set(userId, [...live, otp]);
    this.#codes.set(otp.otpId, otp);
    return { otpId: otp.otpId, code };
  }

  /** @throws Refusal 400 if the code is unknown, another user's, used, expired, locked or wrong */
  redeem({ accountId, userId }: Subject, otpId: string, code: string): void {
    const otp = this.#codes.get(otpId);
    if (otp?.accountId !== accountId || otp.userId !== userId) throw new Refusal(400, errorTexts.otpNotFound);
    if (otp.used) throw new Refusal(400, errorTexts.otpUsed);
    if (otp.expiresAtMs <= this.clock.nowMs()) throw new Refusal(400, errorTexts.otpExpired);
    if (otp.misses >= TRIES_PER_CODE) throw new Refusal(400, errorTexts.otpLocked);
    if (otp.code !== code) {
      otp.misses += 1;
      const triesLeft = TRIES_PER_CODE - otp.misses;
      throw new Refusal(400, errorTexts.otpInvalid).withEffect({ type: 'otp_missed', otpId, triesLeft });
    }
    otp.used = true;
  }

  reset(): void {
    this.#codes.clear();
    this.#liveByUser.clear();
  }

  /** The map has the oldest codes first. */
  #forgetOld(): void {
    const horizon = this.clock.nowMs() - REMEMBERED_MS;
    for (const [otpId, otp] of this.#codes) {
      if (otp.expiresAtMs > horizon) return;
      this.#codes.delete(otpId);
      if (this.#liveByUser.get(otp.userId)?.at(-1) === otp) this.#liveByUser.delete(otp.userId);
    }
  }
}
