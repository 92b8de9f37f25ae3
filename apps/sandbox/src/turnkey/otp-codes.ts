import { randomInt, randomUUID } from 'node:crypto';
import type { SandboxClock } from '../sandbox-clock.js';
import { normalContact } from './organizations.js';
import type { OtpTarget } from './otp-target.js';
import { refusals } from './refusals.js';

export const TRIES_PER_CODE = 3;
/** Turnkey documents this limit per user; the sandbox counts per contact. */
export const LIVE_CODES_PER_CONTACT = 3;
export const REQUESTS_PER_IDENTIFIER = 3;
export const IDENTIFIER_WINDOW_MS = 3 * 60_000;
/** How long an expired code is refused as expired. Later, it is unknown. */
const REMEMBERED_MS = 60 * 60_000;

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const DIGITS = '0123456789';
/** Turnkey's test contacts, whose six-digit code is always 000000. */
const TEST_CONTACTS = new Set(['user@example.com', '+19999999999']);

export interface OtpRequest {
  organizationId: string;
  otpType: 'OTP_TYPE_EMAIL' | 'OTP_TYPE_SMS';
  contact: string;
  length: number;
  alphanumeric: boolean;
  lifeMs: number;
  /** Requests with the same value share one request limit; null: no limit. */
  userIdentifier: string | null;
  /** Decrypts the code; null if the caller sends it unencrypted. */
  target: OtpTarget | null;
}

export interface OtpCode extends Omit<OtpRequest, 'length' | 'alphanumeric' | 'lifeMs' | 'userIdentifier'> {
  otpId: string;
  code: string;
  expiresAtMs: number;
  misses: number;
  used: boolean;
}

export class OtpCodes {
  readonly #codes = new Map<string, OtpCode>();
  readonly #byContact = new Map<string, OtpCode[]>();
  readonly #requestsMs = new Map<string, number[]>();

  constructor(private readonly clock: SandboxClock) {}

  /** @throws TurnkeyRefusal 429 over the request limit, 400 over the limit of live codes */
  issue(request: OtpRequest): OtpCode {
    this.#forgetOld();
    const now = this.clock.nowMs();
    const recent = (this.#requestsMs.get(request.userIdentifier ?? '') ?? []).filter(
      (atMs) => atMs > now - IDENTIFIER_WINDOW_MS,
    );
    if (request.userIdentifier !== null && recent.length >= REQUESTS_PER_IDENTIFIER) {
      throw refusals.rateLimited();
    }
    const contact = normalContact(request.contact);
    const live = (this.#byContact.get(contact) ?? []).filter((otp) => this.#isLive(otp, now));
    if (live.length >= LIVE_CODES_PER_CONTACT) throw refusals.tooManyOtps();

    const { length, alphanumeric, lifeMs, userIdentifier, ...rest } = request;
    const code = makeCode(contact, length, alphanumeric);
    const otp = { otpId: randomUUID(), ...rest, code, expiresAtMs: now + lifeMs, misses: 0, used: false };
    if (userIdentifier !== null) this.#requestsMs.set(userIdentifier, [...recent, now]);
    this.#byContact.set(contact, [...live, otp]);
    this.#codes.set(otp.otpId, otp);
    return otp;
  }

  /** For the journal: a code in any state. */
  peek(otpId: string): OtpCode | null {
    return this.#codes.get(otpId) ?? null;
  }

  /** @throws TurnkeyRefusal 400 if the code is unknown in this organization, used, expired or locked */
  require(organizationId: string, otpId: string): OtpCode {
    const otp = this.#codes.get(otpId);
    if (otp?.organizationId !== organizationId) throw refusals.otpNotFound();
    if (otp.used) throw refusals.otpUsed();
    if (otp.expiresAtMs <= this.clock.nowMs()) throw refusals.otpExpired();
    if (otp.misses >= TRIES_PER_CODE) throw refusals.otpLocked();
    return otp;
  }

  /** @throws TurnkeyRefusal 400 if the code is wrong, unknown, used, expired or locked */
  redeem(organizationId: string, otpId: string, code: string): OtpCode {
    const otp = this.require(organizationId, otpId);
    if (otp.code !== code) {
      otp.misses += 1;
      const triesLeft = TRIES_PER_CODE - otp.misses;
      throw refusals.otpInvalid().withEffect({ type: 'otp_missed', otpId, triesLeft });
    }
    otp.used = true;
    return otp;
  }

  reset(): void {
    for (const part of [this.#codes, this.#byContact, this.#requestsMs]) part.clear();
  }

  #isLive({ used, misses, expiresAtMs }: OtpCode, nowMs: number): boolean {
    return !used && misses < TRIES_PER_CODE && expiresAtMs > nowMs;
  }

  /**
   * The map keeps the order of sending, and lifetimes differ only by minutes. So stop at the first code to
   * keep.
   */
  #forgetOld(): void {
    const horizon = this.clock.nowMs() - REMEMBERED_MS;
    for (const [otpId, otp] of this.#codes) {
      if (otp.expiresAtMs > horizon) break;
      this.#codes.delete(otpId);
      const contact = normalContact(otp.contact);
      if (this.#byContact.get(contact)?.at(-1) === otp) this.#byContact.delete(contact);
    }
  }
}

function makeCode(contact: string, length: number, alphanumeric: boolean): string {
  if (!alphanumeric && length === 6 && TEST_CONTACTS.has(contact)) return '000000';
  const alphabet = alphanumeric ? CROCKFORD : DIGITS;
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
