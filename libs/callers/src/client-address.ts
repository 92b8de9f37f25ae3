import ipaddr from 'ipaddr.js';

/** A /64. A provider gives one to each customer (RFC 6177), so a client with IPv6 has 2^64 addresses. */
const HEXTETS_OF_NETWORK = 4;

/**
 * The key for counting failures: an IPv4 address, or the network of an IPv6 address.
 *
 * @param address from the socket or a trusted proxy.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, HEXTETS_OF_NETWORK).map((hextet) => hextet.toString(16));
  return `${network.join(':')}::/64`;
}
