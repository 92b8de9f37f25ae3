/** A Content Security Policy (CSP 3). */
export type Directives = Readonly<Record<string, readonly string[]>>;

export const policyOf = (directives: Directives): string =>
  Object.entries(directives)
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join(';');

/**
 * A page replaces this content security policy by its own. {@link HSTS} is only for TLS, so it is not here.
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
  // The XSS filter of old browsers has security holes.
  'X-XSS-Protection': '0',
};

/** One year (RFC 6797 §7.2), only over TLS. Without subdomains, because they may belong to other services. */
export const HSTS = 'max-age=31536000';
