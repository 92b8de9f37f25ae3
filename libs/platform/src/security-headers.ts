/** A Content Security Policy (CSP 3): directives with their sources. */
export type Directives = Readonly<Record<string, readonly string[]>>;

/** @returns the value of `Content-Security-Policy`. */
export const policyOf = (directives: Directives): string =>
  Object.entries(directives)
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join(';');

/**
 * The headers of every answer. They forbid browsers to load, run, post or frame anything. A page replaces
 * this content security policy by its own. {@link HSTS} is not in this list, because it is only for TLS.
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
  // Switches off the XSS filter of old browsers, because the filter itself has security holes.
  'X-XSS-Protection': '0',
};

/**
 * The value of `Strict-Transport-Security`, only over TLS: one year (RFC 6797 §7.2). Subdomains are not
 * included, because they may belong to other services.
 */
export const HSTS = 'max-age=31536000';
