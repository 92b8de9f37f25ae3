import { Inject, Injectable } from '@nestjs/common';
import {
  AuthorizationResponseError,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  None,
  ResponseBodyError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  type ClientAuth,
  type Configuration,
} from 'openid-client';
import { CLOCK, ProblemError, ROLES, type Clock, type Role } from '#libs/kernel';
import { CONFIG, Log, consoleUrl, type ConsoleConfig } from '#libs/platform';
import type { LoginFlow } from './login-flow.js';
import { cleanName, type Operator } from './operator.js';

const TIMEOUT_S = 5;
const METADATA_LIFE_MS = 3_600_000;
export const CALLBACK_PATH = '/login/callback';

type Claims = Record<string, unknown>;

/** The operators' identity provider (OpenID Connect, authorization code flow with PKCE). */
@Injectable()
export class IdentityProvider {
  readonly #logger = new Log('IdentityProvider');
  #known: { configuration: Configuration; sinceMs: number } | null = null;
  #asked: Promise<Configuration> | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: ConsoleConfig,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Null if no provider is configured. */
  get host(): string | null {
    return this.config.OIDC_ISSUER === undefined ? null : new URL(this.config.OIDC_ISSUER).host;
  }

  /** @throws ProblemError `not_ready` if the provider does not answer. */
  async authorizationUrl({ state, nonce, verifier }: LoginFlow): Promise<string> {
    const configuration = await this.#configuration();
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: this.#url(CALLBACK_PATH).href,
      scope: this.config.OIDC_SCOPES,
      state,
      nonce,
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return url.href;
  }

  /**
   * Checks the issuer of the answer (RFC 9207), the state, the nonce and the ID token.
   *
   * @throws ProblemError `unauthenticated` if the answer is not valid, `forbidden` if the operator has no
   *   role, `not_ready` if the provider does not answer.
   */
  async identify(answer: URLSearchParams, { state, nonce, verifier }: LoginFlow): Promise<Operator> {
    const configuration = await this.#configuration();
    const url = this.#url(CALLBACK_PATH);
    url.search = answer.toString();
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier };
    const claims = await this.#orProblem(async () => {
      const tokens = await authorizationCodeGrant(configuration, url, checks);
      const idToken = tokens.claims()!;
      if (idToken[this.config.OIDC_ROLE_CLAIM] !== undefined) return idToken;
      if (configuration.serverMetadata().userinfo_endpoint === undefined) return idToken;
      return { ...(await fetchUserInfo(configuration, tokens.access_token, idToken.sub)), ...idToken };
    });
    return this.#identityOf(claims);
  }

  /** @returns null if the provider has no logout page, or does not answer. */
  async logoutUrl(): Promise<string | null> {
    try {
      const configuration = await this.#configuration();
      if (configuration.serverMetadata().end_session_endpoint === undefined) return null;
      const back = this.#url('/login').href;
      return buildEndSessionUrl(configuration, { post_logout_redirect_uri: back }).href;
    } catch {
      return null;
    }
  }

  #identityOf(claims: Claims & { iss: string; sub: string }): Operator {
    const { iss, sub, preferred_username, email } = claims;
    const name = [preferred_username, email, sub]
      .map((each) => (typeof each === 'string' ? cleanName(each) : ''))
      .find((each) => each !== '');
    const role = this.#roleOf(claims[this.config.OIDC_ROLE_CLAIM]);
    if (name === undefined || role === null) {
      const detail = `${name ?? 'Your account'} has no role on this console. Ask for a group that has one.`;
      throw new ProblemError('forbidden', { detail });
    }
    return { name, role, how: 'oidc', identity: `${iss} ${sub}` };
  }

  #roleOf(claim: unknown): Role | null {
    const values = new Set([claim].flat());
    const roles = this.config.OIDC_ROLES?.filter(({ value }) => values.has(value)).map(({ role }) => role);
    return ROLES.findLast((role) => roles?.includes(role)) ?? null;
  }

  #url(path: string): URL {
    return new URL(path, consoleUrl(this.config));
  }

  /** Reads the metadata at the first login, because the provider may be down at boot. */
  async #configuration(): Promise<Configuration> {
    const known = this.#known;
    if (known && this.clock.monotonicMs() - known.sinceMs < METADATA_LIFE_MS) return known.configuration;
    this.#asked ??= this.#orProblem(() => this.#discover()).finally(() => (this.#asked = null));
    try {
      const configuration = await this.#asked;
      this.#known = { configuration, sinceMs: this.clock.monotonicMs() };
      return configuration;
    } catch (error) {
      if (known) return known.configuration;
      throw error;
    }
  }

  #discover(): Promise<Configuration> {
    const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET } = this.config;
    if (OIDC_ISSUER === undefined || OIDC_CLIENT_ID === undefined) {
      throw new ProblemError('not_found', {
        detail: 'No identity provider is configured: set OIDC_ISSUER and OIDC_CLIENT_ID.',
      });
    }
    const issuer = new URL(OIDC_ISSUER);
    const plain = issuer.protocol === 'http:' ? [allowInsecureRequests] : [];
    return discovery(issuer, OIDC_CLIENT_ID, undefined, clientAuth(OIDC_CLIENT_SECRET?.reveal()), {
      // Otherwise, openid-client does not verify the signature of the ID token, but relies on TLS.
      execute: [...plain, enableNonRepudiationChecks],
      timeout: TIMEOUT_S,
    });
  }

  /** Error details contain no text of the provider's answer: an attacker can write this text into the URL. */
  async #orProblem<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      const { code, message } = error as Error & { code?: string };
      this.#logger.warn({ code: code ?? null, oauth: oauthErrorOf(error) }, `a login failed: ${message}`);
      if (isAway(error)) {
        const detail = 'The identity provider does not answer. Try again in a minute.';
        throw new ProblemError('not_ready', { detail, retryAfterS: 10 });
      }
      if (oauthErrorOf(error) === 'access_denied') {
        throw new ProblemError('unauthenticated', { detail: 'The identity provider refused the login.' });
      }
      const detail = 'The answer of the identity provider is not valid. Log in again.';
      throw new ProblemError('unauthenticated', { detail });
    }
  }
}

/** Sends the client secret by HTTP Basic, the standard's default, or in the body if Basic is not accepted. */
function clientAuth(secret: string | undefined): ClientAuth {
  if (secret === undefined) return None();
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (server, ...more) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    (methods.includes('client_secret_basic') ? basic : post)(server, ...more);
  };
}

function oauthErrorOf(error: unknown): string | undefined {
  const isOAuthError = error instanceof AuthorizationResponseError || error instanceof ResponseBodyError;
  return isOAuthError && /^[a-z_]{1,64}$/.test(error.error) ? error.error : undefined;
}

/** `fetch` throws a TypeError if no connection opens; openid-client has codes for all other failures. */
function isAway(error: unknown): boolean {
  if (error instanceof ClientError) {
    return ['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM'].includes(error.code ?? '');
  }
  return error instanceof TypeError && error.message === 'fetch failed';
}
