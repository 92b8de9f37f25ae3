import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { ProblemError, canonicalPassword } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** With N = 2^17, OWASP's parameters (Password Storage Cheat Sheet). A hash takes 128 MiB and some 400 ms. */
const R = 8;
const P = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Each hash takes 128 MiB and one of libuv's four threads. Name lookups and files need these threads too. */
const AT_ONCE = 2;
/** If more logins than this wait, further logins are refused. Otherwise they would wait for minutes. */
const WAITING = 16;

const STORED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})$/;

/** Hashes passwords by scrypt (RFC 7914), a few at the same time. */
@Injectable()
export class PasswordHashes {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #logN: number;
  /** This hash is compared for an unknown name, at the same cost. No password matches it. */
  readonly #dummy: string;
  #work = 0;

  constructor(@Inject(CONFIG) { OPS_SCRYPT_LOG_N }: Pick<Config, 'OPS_SCRYPT_LOG_N'>) {
    this.#logN = OPS_SCRYPT_LOG_N;
    this.#dummy = `${this.#parameters}$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  }

  /** The sum of N × r × p of all hashes so far. Tests compare this sum, because times vary. */
  get work(): number {
    return this.#work;
  }

  /** @returns `$scrypt$ln=17,r=8,p=1$<salt>$<hash>`, both base64 without padding. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#derive(password, salt, HASH_BYTES, { logN: this.#logN, r: R, p: P });
    return `${this.#parameters}$${base64(salt)}$${base64(hash)}`;
  }

  /**
   * @param stored a result of {@link hash}. Null for an unknown account: the check costs the same.
   * @throws ProblemError `rate_limited` if too many logins are already waiting.
   * @throws Error if the stored text is not a hash.
   */
  async isRight(password: string, stored: string | null): Promise<boolean> {
    const parsed = STORED.exec(stored ?? this.#dummy);
    if (!parsed) throw new Error('a stored password is not a scrypt hash');
    const [, ln, r, p, salt = '', hash = ''] = parsed;
    const expected = Buffer.from(hash, 'base64');
    const cost = { logN: Number(ln), r: Number(r), p: Number(p) };
    const actual = await this.#derive(password, Buffer.from(salt, 'base64'), expected.length, cost);
    return timingSafeEqual(actual, expected) && stored !== null;
  }

  get #parameters(): string {
    return `$scrypt$ln=${this.#logN},r=${R},p=${P}`;
  }

  async #derive(
    password: string,
    salt: Buffer,
    bytes: number,
    { logN, r, p }: { logN: number; r: number; p: number },
  ): Promise<Buffer> {
    await this.#turn();
    try {
      const N = 2 ** logN;
      this.#work += N * r * p;
      return await derive(canonicalPassword(password), salt, bytes, { N, r, p, maxmem: 128 * N * r * 2 });
    } finally {
      const next = this.#waiting.shift();
      // The turn goes directly to the next waiting login. Otherwise a new login could take it.
      if (next) next();
      else this.#running -= 1;
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= WAITING) {
      throw new ProblemError('rate_limited', {
        detail: 'Too many logins at the same time. Try again in a few seconds.',
        retryAfterS: 5,
      });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
