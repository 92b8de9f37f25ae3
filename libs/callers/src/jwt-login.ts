import { Inject, Injectable } from '@nestjs/common';
import { createRemoteJWKSet, customFetch, jwtVerify, type JWTPayload } from 'jose';
import { CLOCK, ProblemError, isCallerName, isScope, type Caller, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';

/** Public keys only: with HMAC, whoever may check a token could sign one, and the public key would be the secret. */
const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');
const JWKS_TIMEOUT_MS = 2_000;
const JWKS_CACHE_MS = 600_000;
const RETRY_AFTER_S = 2;

/** What jose says of a token that is at fault by itself; anything else is the key server's fault, or ours. */
const OF_TOKEN = new Set([
  'ERR_JWT_EXPIRED',
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_INVALID',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'ERR_JOSE_NOT_SUPPORTED',
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
]);

/** A token that is not let in, with the reason for those who operate the service. */
export class BadToken extends Error {
  override readonly name = 'BadToken';
}

/** Says whose JWT it is (RFC 7519, RFC 8725), by the keys that its issuer publishes. */
@Injectable()
export class JwtLogin {
  readonly #keys: ReturnType<typeof createRemoteJWKSet> | null;

  /** On the monotonic clock. */
  #askAgainAtMs = -Infinity;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    const { JWT_JWKS_URL, JWT_JWKS_COOLDOWN_MS } = config;
    this.#keys = JWT_JWKS_URL
      ? createRemoteJWKSet(new URL(JWT_JWKS_URL), {
          timeoutDuration: JWKS_TIMEOUT_MS,
          // A token with a key id that nobody knows makes us ask for the keys, and must not do so with every request.
          cooldownDuration: JWT_JWKS_COOLDOWN_MS,
          cacheMaxAge: JWKS_CACHE_MS,
          [customFetch]: (...request) => this.#fetchKeys(...request),
        })
      : null;
  }

  /**
   * @throws BadToken where the token is not one of ours, or is over.
   * @throws ProblemError `not_ready` where the issuer's keys cannot be had: nobody can tell then.
   */
  async login(token: string): Promise<Caller> {
    if (!this.#keys) throw new BadToken('no issuer is configured');
    const { JWT_ISSUER, JWT_AUDIENCE, JWT_TYPE, JWT_CLOCK_TOLERANCE_S, JWT_CALLER_CLAIM } = this.config;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ALGORITHMS,
        issuer: JWT_ISSUER!,
        audience: JWT_AUDIENCE!,
        ...(JWT_TYPE && { typ: JWT_TYPE }),
        clockTolerance: JWT_CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', JWT_CALLER_CLAIM],
      });
      return this.#callerOf(payload);
    } catch (error) {
      if (error instanceof BadToken) throw error;
      // Not jose's message: it may repeat what stands in the token, and this goes on record.
      const { code, claim } = error as { code?: unknown; claim?: unknown };
      if (typeof code === 'string' && OF_TOKEN.has(code)) {
        throw new BadToken(typeof claim === 'string' ? `${code} (${claim})` : code, { cause: error });
      }
      throw new ProblemError('not_ready', {
        detail: 'The keys of the token’s issuer cannot be had.',
        retryAfterS: RETRY_AFTER_S,
        cause: error,
      });
    }
  }

  /** jose's own cooldown begins with an answer: an issuer that fails would be asked for every token that comes. */
  async #fetchKeys(url: string, init: RequestInit): Promise<Response> {
    if (this.clock.monotonicMs() < this.#askAgainAtMs)
      throw new Error('the issuer has just failed to answer');
    this.#askAgainAtMs = this.clock.monotonicMs() + this.config.JWT_JWKS_COOLDOWN_MS;
    const response = await fetch(url, init);
    if (response.ok) this.#askAgainAtMs = -Infinity;
    return response;
  }

  #callerOf(claims: JWTPayload): Caller {
    const name = claims[this.config.JWT_CALLER_CLAIM];
    if (typeof name !== 'string' || !isCallerName(name)) {
      throw new BadToken(`claim ${this.config.JWT_CALLER_CLAIM} names no caller`);
    }
    const scopes = wordsOf(claims[this.config.JWT_SCOPE_CLAIM] ?? []);
    if (!scopes) throw new BadToken(`claim ${this.config.JWT_SCOPE_CLAIM} is no list of scopes`);
    const integrations = claims['integrations'];
    // What cannot be read must not mean all.
    const names = integrations === undefined ? null : wordsOf(integrations);
    if (integrations !== undefined && !names) throw new BadToken('claim integrations is no list of names');
    return { name, scopes: new Set(scopes.filter(isScope)), integrations: names && new Set(names) };
  }
}

/** A space separated text (RFC 8693 §4.2), or an array of texts. */
function wordsOf(claim: unknown): string[] | null {
  if (typeof claim === 'string') return claim.split(' ').filter(Boolean);
  return Array.isArray(claim) && claim.every((each) => typeof each === 'string') ? claim : null;
}
