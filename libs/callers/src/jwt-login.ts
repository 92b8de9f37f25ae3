import { Inject, Injectable } from '@nestjs/common';
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { CLOCK, ProblemError, isCallerName, isScope, type Caller, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';

/** Only algorithms with a public key: with HMAC, each service that checks a token could also sign tokens. */
const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');
const JWKS_TIMEOUT_MS = 2_000;
const JWKS_CACHE_MS = 600_000;
const RETRY_AFTER_S = 2;

/** Why a token is refused, by jose's error. Other errors are faults of the key server or of this service. */
const OF_TOKEN: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'the token has expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'a claim is wrong',
  ERR_JWT_INVALID: 'the claims are not a JSON object',
  ERR_JWS_INVALID: 'the token is not a signed JWT',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature is wrong',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the algorithm is not allowed',
  ERR_JOSE_NOT_SUPPORTED: 'the algorithm or a critical header is not supported',
  ERR_JWKS_NO_MATCHING_KEY: 'the issuer publishes no key for the token’s kid and alg',
};

/** By the claim with the wrong value. */
const WANTED: Readonly<Record<string, string>> = {
  iss: 'is not JWT_ISSUER',
  aud: 'is not JWT_AUDIENCE',
  typ: 'is not JWT_TYPE',
  nbf: 'is in the future',
};

const KEYS_TRIED = 10;

/** Only operators see the message, which is the reason of the refusal. */
export class BadToken extends Error {
  override readonly name = 'BadToken';
}

/** Finds the caller of a JWT (RFC 7519, RFC 8725), with the keys that its issuer publishes. */
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
          // An unknown key id causes a fetch, but not with every request.
          cooldownDuration: JWT_JWKS_COOLDOWN_MS,
          cacheMaxAge: JWKS_CACHE_MS,
          [customFetch]: (...request) => this.#fetchKeys(...request),
        })
      : null;
  }

  /**
   * @throws BadToken if the token is not valid
   * @throws ProblemError `not_ready` if the issuer's keys are not available
   */
  async login(token: string): Promise<Caller> {
    if (!this.#keys) throw new BadToken('no issuer is configured');
    const { JWT_ISSUER, JWT_AUDIENCE, JWT_TYPE, JWT_CLOCK_TOLERANCE_S, JWT_CALLER_CLAIM } = this.config;
    try {
      const claims = await verified(token, this.#keys, {
        algorithms: ALGORITHMS,
        issuer: JWT_ISSUER!,
        audience: JWT_AUDIENCE!,
        ...(JWT_TYPE && { typ: JWT_TYPE }),
        clockTolerance: JWT_CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', JWT_CALLER_CLAIM],
      });
      return this.#callerOf(claims);
    } catch (error) {
      if (error instanceof BadToken) throw error;
      const reason = reasonOf(error);
      if (reason) throw new BadToken(reason, { cause: error });
      throw new ProblemError('not_ready', {
        detail: 'The keys of the token’s issuer are not available.',
        retryAfterS: RETRY_AFTER_S,
        cause: error,
      });
    }
  }

  /** jose has a cooldown only after a good answer, so it would ask a failing issuer with each token. */
  async #fetchKeys(url: string, init: RequestInit): Promise<Response> {
    if (this.clock.monotonicMs() < this.#askAgainAtMs)
      throw new Error('the issuer failed to answer a moment ago');
    this.#askAgainAtMs = this.clock.monotonicMs() + this.config.JWT_JWKS_COOLDOWN_MS;
    const response = await fetch(url, init);
    if (response.ok) this.#askAgainAtMs = -Infinity;
    return response;
  }

  #callerOf(claims: JWTPayload): Caller {
    const name = claims[this.config.JWT_CALLER_CLAIM];
    if (typeof name !== 'string' || !isCallerName(name)) {
      throw new BadToken(
        `claim ${this.config.JWT_CALLER_CLAIM} is not a name of 1 to 255 printable characters`,
      );
    }
    const scopes = wordsOf(claims[this.config.JWT_SCOPE_CLAIM] ?? []);
    if (!scopes) throw new BadToken(`claim ${this.config.JWT_SCOPE_CLAIM} is not a list of scopes`);
    const integrations = claims['integrations'];
    // A claim that is not a list must not allow all integrations.
    const names = integrations === undefined ? null : wordsOf(integrations);
    if (integrations !== undefined && !names) throw new BadToken('claim integrations is not a list of names');
    return { name, scopes: new Set(scopes.filter(isScope)), integrations: names && new Set(names) };
  }
}

/**
 * Tries a token without a key id with each key for its algorithm, up to KEYS_TRIED (RFC 7515 §4.1.4).
 *
 * @throws the same errors as jose
 */
async function verified(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (wrong) {
        if (!(wrong instanceof errors.JWSSignatureVerificationFailed)) throw wrong;
      }
      if (++tried === KEYS_TRIED) break;
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/**
 * @returns null if the token did not cause the error. Never jose's message, which may repeat parts of the
 *   token.
 */
function reasonOf(error: unknown): string | null {
  const { code, claim, reason } = error as { code?: unknown; claim?: unknown; reason?: unknown };
  const words = typeof code === 'string' ? OF_TOKEN[code] : undefined;
  if (!words) return null;
  if (code !== 'ERR_JWT_CLAIM_VALIDATION_FAILED' || typeof claim !== 'string') return words;
  if (reason === 'missing') return `claim ${claim} is missing`;
  if (reason === 'invalid') return `claim ${claim} is of the wrong type`;
  return `claim ${claim} ${WANTED[claim] ?? 'is wrong'}`;
}

/** @returns null unless the claim is a space separated text (RFC 8693 §4.2) or an array of texts */
function wordsOf(claim: unknown): string[] | null {
  if (typeof claim === 'string') return claim.split(' ').filter(Boolean);
  return Array.isArray(claim) && claim.every((each) => typeof each === 'string') ? claim : null;
}
