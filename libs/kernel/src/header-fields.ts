/** The text between two commas that are outside of quoted strings. */
const MEMBER = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;

/**
 * Splits a list field into its trimmed members (RFC 9110 §5.6.1), without empty ones. A repeated field counts
 * as one list (§5.3).
 */
export function listMembers(field: string | readonly string[] | undefined): string[] {
  const value = typeof field === 'string' ? field : (field ?? []).join(',');
  return (value.match(MEMBER) ?? []).map((member) => member.trim()).filter((member) => member !== '');
}

/** @returns the media types of `Content-Type` or `Accept`, in lower case, without parameters. */
export const mediaTypes = (field: string | readonly string[] | undefined): string[] =>
  listMembers(field).map((member) => (member.split(';', 1)[0] ?? '').trim().toLowerCase());

/** Whether `Content-Encoding` names no encoding. Case has no meaning (RFC 9110 §8.4.1). */
export const isUncoded = (field: string | readonly string[] | undefined): boolean =>
  listMembers(field).every((coding) => coding.toLowerCase() === 'identity');
