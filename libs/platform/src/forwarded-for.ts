import ipaddr from 'ipaddr.js';

/** A port as proxies write it: a number, or a word that hides the number (RFC 7239 §6.3). */
const PORT = /:(?:\d{1,5}|_[\w.-]+)?$/;

/**
 * Removes ports, quotes, brackets and zones from the addresses of an `X-Forwarded-For` header. Removes a
 * member that is not an address, with all members to its left. The proxy that wrote it then counts as the
 * client.
 *
 * @returns null if no address is left.
 */
export function bareForwardedFor(header: string): string | null {
  const addresses: string[] = [];
  // Empty members are ignored (RFC 9110 §5.6.1.2).
  for (const member of header.split(',').reverse()) {
    if (member.trim() === '') continue;
    const address = addressIn(member);
    if (address === null) break;
    addresses.unshift(address);
  }
  return addresses.length > 0 ? addresses.join(', ') : null;
}

function addressIn(member: string): string | null {
  const text = member
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .trim();
  const [, inBrackets] = /^\[([^[\]]*)\]$/.exec(text.replace(PORT, '')) ?? [];
  // Without brackets, the end of an IPv6 address may look like a port.
  const forms = inBrackets === undefined ? [text, text.replace(PORT, '')] : [inBrackets];
  return forms.map(bareAddress).find((address) => address !== null) ?? null;
}

/** In lower case, without a zone, and mapped IPv4 as IPv4; null for other texts. */
function bareAddress(text: string): string | null {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text;
  if (!ipaddr.IPv6.isValid(text)) return null;
  const address = ipaddr.IPv6.parse(text);
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString();
  return new ipaddr.IPv6(address.parts).toString();
}
