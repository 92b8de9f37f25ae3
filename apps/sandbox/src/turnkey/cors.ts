import type { FastifyRequest } from 'fastify';
import { doorOf } from '../doors.js';

/** The options of `@fastify/cors` for one request. */
export interface CorsAnswer {
  origin: string | string[] | false;
  methods?: string[];
  allowedHeaders?: string[];
  maxAge?: number;
  strictPreflight?: boolean;
}

const NONE: CorsAnswer = { origin: false };
const STAMPED = ['Content-Type', 'X-Client-Version', 'X-Stamp', 'X-Stamp-WebAuthn', 'X-Stamp-Attested'];
const PROXIED = ['Content-Type', 'X-Client-Version', 'X-Auth-Proxy-Config-Id', 'X-Captcha-Token'];

/**
 * Makes the CORS rules of the sandbox's APIs, which never allow cookies:
 * - The public API allows any origin, because each request's stamp proves its sender.
 * - The Auth Proxy allows `allowedOrigins`; null allows any origin.
 * - Byzantine's API (for servers) and `/_sandbox` (for its own page) allow no origin.
 */
export function corsFor(allowedOrigins: readonly string[] | null) {
  const answer = (origin: CorsAnswer['origin'], allowedHeaders: string[]): CorsAnswer => ({
    origin,
    methods: ['POST'],
    allowedHeaders,
    maxAge: 600,
    strictPreflight: false,
  });
  const publicApi = answer('*', STAMPED);
  const authProxy = answer(allowedOrigins === null ? '*' : [...allowedOrigins], PROXIED);
  return (request: FastifyRequest, done: (error: Error | null, answer?: CorsAnswer) => void): void => {
    const door = doorOf(request);
    done(null, door === 'public-api' ? publicApi : door === 'auth-proxy' ? authProxy : NONE);
  };
}
