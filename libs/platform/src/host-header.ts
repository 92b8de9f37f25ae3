import type { IncomingMessage } from 'node:http';

/** A host name or an address, with or without a port (RFC 9110 §7.2). */
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/**
 * URLs such as the console's own origin are made from the Host header. Several Host headers are refused,
 * because a proxy may have checked only one of them.
 *
 * @returns why the header is refused; null if it is valid.
 */
export function badHost({ headers, rawHeaders, httpVersion }: IncomingMessage): string | null {
  const given = rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === 'host');
  if (given.length > 1) return 'There are several Host headers.';
  // HTTP/1.0 does not require a Host header.
  if (headers.host === undefined && httpVersion === '1.0') return null;
  if (headers.host === undefined) return 'There is no Host header.';
  return HOST.test(headers.host) ? null : 'The Host header is not a valid host.';
}
