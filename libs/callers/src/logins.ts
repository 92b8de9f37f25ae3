import { Inject, Injectable } from '@nestjs/common';
import { DEFAULT_CALLER, SCOPES, equalInConstantTime, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { ApiKeyLogin } from './api-key-login.js';
import { TOKEN_PREFIX, parseApiKeyToken } from './api-key-token.js';
import { BadToken, JwtLogin } from './jwt-login.js';

const DEVELOPMENT: Caller = { name: DEFAULT_CALLER, scopes: new Set(SCOPES), integrations: null };

@Injectable()
export class Logins {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly keys: ApiKeyLogin,
    private readonly jwt: JwtLogin,
  ) {}

  /**
   * True for a JWT, because its check needs no database, and for an API key that logged in to this process
   * lately.
   */
  isCheckedWhileBlocked(token: string): boolean {
    if (!token.startsWith(TOKEN_PREFIX)) return isJwt(token);
    const key = parseApiKeyToken(token);
    return key !== null && this.keys.isFamiliar(key);
  }

  /**
   * @throws BadToken if the token is not valid
   * @throws Error if PostgreSQL or the issuer's keys are needed and not available
   */
  async login(token: string): Promise<Caller> {
    const { API_KEY } = this.config;
    if (API_KEY && equalInConstantTime(token, API_KEY.reveal())) return DEVELOPMENT;
    if (token.startsWith(TOKEN_PREFIX)) {
      const key = parseApiKeyToken(token);
      const caller = key && (await this.keys.login(key));
      if (caller) return caller;
      throw new BadToken(key ? `no live API key ${key.id} with this secret` : 'API key of the wrong form');
    }
    if (isJwt(token)) return this.jwt.login(token);
    throw new BadToken('neither an API key nor a JWT');
  }
}

const isJwt = (token: string) => token.split('.').length === 3;
