/** A member of a list: the text between two commas that are outside of quoted strings. */
const MEMBER = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;

/**
 * The members of a list field (RFC 9110 §5.6.1). A repeated field counts as one list (§5.3). Empty members
 * are left out.
 *
 * @returns each member as written, trimmed.
 */
export function listMembers(field: string | readonly string[] | undefined): string[] {
  const value = typeof field === 'string' ? field : (field ?? []).join(',');
  return (value.match(MEMBER) ?? []).map((member) => member.trim()).filter((member) => member !== '');
}

/** The media types of `Content-Type` or `Accept`, in lower case (case has no meaning), without parameters. */
export const mediaTypes = (field: string | readonly string[] | undefined): string[] =>
  listMembers(field).map((member) => (member.split(';', 1)[0] ?? '').trim().toLowerCase());

/** Whether `Content-Encoding` names no encoding (RFC 9110 §8.4.1: case has no meaning). */
export const isUncoded = (field: string | readonly string[] | undefined): boolean =>
  listMembers(field).every((coding) => coding.toLowerCase() === 'identity');
