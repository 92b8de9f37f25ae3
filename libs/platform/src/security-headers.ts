/** A Content Security Policy (CSP 3): directives with their sources. */
export type Directives = Readonly<Record<string, readonly string[]>>;

/** @returns the value of `Content-Security-Policy`. */
export const policyOf = (directives: Directives): string =>
  Object.entries(directives)
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join(';');

/**
 * Of every answer. No browser is to do anything with it: nothing may be loaded, run, posted or framed. A page sets the policy
 * that it needs. `Strict-Transport-Security` may be said over TLS only (RFC 6797 §7.2).
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': policyOf({
    'default-src': ["'none'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  }),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  // Old browsers' filter makes holes of its own.
  'X-XSS-Protection': '0',
};

/** One year, RFC 6797. Not for subdomains: they are other people's services. */
export const HSTS = 'max-age=31536000';
