import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair, type CryptoKey, type JWK, type JWTPayload } from 'jose';

interface Key {
  id: string;
  privateKey: CryptoKey;
  publicJwk: JWK;
}

/** Issues access tokens and serves its public keys, like an identity provider. */
export class TokenIssuer {
  readonly name = 'https://issuer.example.com';
  readonly audience = 'gangway';
  /** The keys that the key server returns. */
  published: JWK[] = [];
  failing = false;
  /** Requests to the key server. */
  asked = 0;
  #server!: Server;

  static async start(): Promise<TokenIssuer> {
    const issuer = new TokenIssuer();
    issuer.#server = createServer((_, response) => {
      issuer.asked++;
      if (issuer.failing) return void response.writeHead(500).end('broken');
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: issuer.published }));
    });
    await issuer.open();
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  get env(): Record<string, string> {
    return { JWT_ISSUER: this.name, JWT_AUDIENCE: this.audience, JWT_JWKS_URL: this.url };
  }

  async open(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async newKey(id: string, { alg = 'ES256', publish = true } = {}): Promise<Key> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const publicJwk = { ...(await exportJWK(publicKey)), kid: id, alg, use: 'sig' };
    if (publish) this.published.push(publicJwk);
    return { id, privateKey, publicJwk };
  }

  /** @param lies replace valid claims. */
  token(key: Key, lies: object = {}, header: Record<string, unknown> = {}): Promise<string> {
    const nowS = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: this.name,
      aud: this.audience,
      sub: 'shop',
      scope: 'onboardings:read',
      exp: nowS + 300,
    };
    return new SignJWT({ ...claims, ...lies } as JWTPayload)
      .setProtectedHeader({ alg: key.publicJwk.alg!, kid: key.id, ...header })
      .sign(key.privateKey);
  }
}
