import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, ProblemError, type Clock } from '#libs/kernel';
import { KeyedHash, Metrics } from '#libs/platform';
import { EmergencyAccount } from './emergency-account.js';
import { IdentityProvider } from './identity-provider.js';
import { beginFlow, findFlow, type LoginFlow } from './login-flow.js';
import { LoginLinks } from './login-links.js';
import { LoginThrottle } from './login-throttle.js';
import { OperatorAudit } from './operator-audit.js';
import { OperatorSessions } from './operator-sessions.js';
import { cleanName, type Operator, type Login, type LoginWay } from './operator.js';
import { USE_FLOW } from './statements.js';

export interface LoginTry {
  address: string;
  /** The request's id, as in `X-Request-Id`. */
  traceId: string;
}

/** One-time links always work. */
export interface LoginWays {
  /** The identity provider's host; null if none is configured. */
  provider: string | null;
  emergency: boolean;
}

@Injectable()
export class OperatorLogin {
  readonly #emergencies;

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
    private readonly provider: IdentityProvider,
    private readonly account: EmergencyAccount,
    private readonly links: LoginLinks,
    private readonly throttle: LoginThrottle,
    private readonly sessions: OperatorSessions,
    private readonly audit: OperatorAudit,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.#emergencies = metrics.counter('gangway_console_emergency_logins_total');
  }

  get ways(): LoginWays {
    return { provider: this.provider.host, emergency: this.account.isOn };
  }

  /**
   * @returns the identity provider's URL to open, and the value of a cookie for this browser.
   * @throws ProblemError `not_ready` if the provider does not answer.
   */
  async begin(next: string): Promise<{ url: string; flow: string }> {
    const flow = beginFlow(this.hash, next, this.clock.nowMs());
    return { url: await this.provider.authorizationUrl(flow), flow: flow.flow };
  }

  /**
   * @param answer the query of the callback URL.
   * @param cookie the value from {@link begin}, which works only once.
   * @throws ProblemError `unauthenticated`, `forbidden` (no role) or `not_ready`.
   */
  async finish(
    answer: URLSearchParams,
    cookie: string | null,
    by: LoginTry,
  ): Promise<Login & { next: string }> {
    const flow = findFlow(this.hash, cookie, answer.get('state'), this.clock.nowMs());
    if (!flow || !(await this.#isFirstUse(flow))) {
      this.audit.record({ ...by, action: 'login: oidc', operator: null, target: null, outcome: 'refused' });
      const detail = 'This login has expired, or it began in another browser. Log in again.';
      throw new ProblemError('unauthenticated', { detail });
    }
    const login = await this.#logIn('oidc', by, () => this.provider.identify(answer, flow));
    return { ...login, next: flow.next };
  }

  /**
   * @param typed the audit shows its name as `emergency:<name>`.
   * @throws ProblemError `unauthenticated`, `rate_limited`, or `validation_failed` if the name is empty.
   */
  async emergency(typed: { name: string; password: string }, by: LoginTry): Promise<Login> {
    const name = cleanName(typed.name);
    if (name === '') throw new ProblemError('validation_failed', { detail: 'Type your own name.' });
    return this.#logIn('emergency', by, async () => {
      // Only passwords can be guessed. A limit on the other ways to log in would let strangers block them.
      await this.throttle.take(by.address);
      if (!this.account.isPassword(typed.password)) {
        throw new ProblemError('unauthenticated', { detail: 'The password is wrong.' });
      }
      await this.throttle.giveBack(by.address);
      const full = `emergency:${name}`;
      return { name: full, role: 'admin', how: 'emergency', identity: full };
    });
  }

  /** @throws ProblemError `unauthenticated` if the link is unknown, used or expired. */
  async link(token: string, by: LoginTry): Promise<Login> {
    return this.#logIn('link', by, async () => {
      const identity = await this.links.use(token);
      if (identity) return identity;
      const detail = 'This link was used before, or it has expired. Create another link.';
      throw new ProblemError('unauthenticated', { detail });
    });
  }

  logoutUrl(): Promise<string | null> {
    return this.provider.logoutUrl();
  }

  async #logIn(
    way: LoginWay,
    { address, traceId }: LoginTry,
    identify: () => Promise<Operator>,
  ): Promise<Login> {
    const entry = { action: `login: ${way}`, target: null, address, traceId };
    const count = (outcome: 'done' | 'refused' | 'failed') => {
      if (way === 'emergency') this.#emergencies.inc({ outcome });
      return outcome;
    };
    try {
      const operator = await identify();
      const { name, role, identity } = operator;
      const token = await this.sessions.begin(operator, address);
      this.audit.record({ ...entry, operator: name, outcome: count('done'), data: { role, identity } });
      return { operator, token };
    } catch (error) {
      // A failed login is recorded without the typed name, which may be a password in the wrong field.
      const outcome = count(error instanceof ProblemError ? 'refused' : 'failed');
      this.audit.record({ ...entry, operator: null, outcome });
      throw error;
    }
  }

  async #isFirstUse({ state, expiresAtMs }: LoginFlow): Promise<boolean> {
    const used = await this.statements.run(USE_FLOW, [this.hash.digest('login flow', state), expiresAtMs]);
    return used.length > 0;
  }
}
