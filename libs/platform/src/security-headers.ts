import type { FastifyHelmetOptions } from '@fastify/helmet';

/** For answers that no browser is to do anything with: nothing may be loaded, run, posted or framed. */
const NOTHING_DIRECTIVES = {
  'default-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** Of every answer; a page names what it needs by `reply.helmet({ contentSecurityPolicy })`. */
export const HELMET: FastifyHelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: NOTHING_DIRECTIVES },
  referrerPolicy: { policy: 'no-referrer' },
  frameguard: { action: 'deny' },
  crossOriginOpenerPolicy: { policy: 'same-origin' },
  crossOriginResourcePolicy: { policy: 'same-origin' },
  // Only over TLS may it be said (RFC 6797 §7.2), and Helmet does not know.
  strictTransportSecurity: false,
};

/**
 * The same for answers that hooks do not reach: a path that cannot be decoded, and what is no HTTP request. They
 * are problems in JSON; what only pages need is left out.
 */
export const BARE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': Object.entries(NOTHING_DIRECTIVES)
    .map(([name, sources]) => `${name} ${sources.join(' ')}`)
    .join(';'),
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** One year, RFC 6797. Not for subdomains: they are other people's services. */
export const HSTS = 'max-age=31536000';
