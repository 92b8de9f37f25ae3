import ipaddr from 'ipaddr.js';

/** A /64. An internet provider gives each customer a /64 or more (RFC 6177). */
const HEXTETS_OF_NETWORK = 4;

/**
 * @param address from the socket or a trusted proxy
 * @returns the unit for which failures are counted: an IPv4 address, or an IPv6 network
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, HEXTETS_OF_NETWORK).map((hextet) => hextet.toString(16));
  return `${network.join(':')}::/64`;
}
