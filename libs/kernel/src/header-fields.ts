/** A part between two commas outside of quoted strings. */
const MEMBER = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;

/**
 * The members of a list field (RFC 9110 §5.6.1). A field given twice is one list (§5.3), and empty members count for
 * nothing.
 *
 * @returns each without white space around it, as it was written.
 */
export function listMembers(field: string | readonly string[] | undefined): string[] {
  const value = typeof field === 'string' ? field : (field ?? []).join(',');
  return (value.match(MEMBER) ?? []).map((member) => member.trim()).filter((member) => member !== '');
}

/** The media types of `Content-Type` or `Accept`: in lower case, since case means nothing, and without parameters. */
export const mediaTypes = (field: string | readonly string[] | undefined): string[] =>
  listMembers(field).map((member) => (member.split(';', 1)[0] ?? '').trim().toLowerCase());

/** Whether `Content-Encoding` says that the content is not encoded (RFC 9110 §8.4.1: codings ignore case). */
export const isUncoded = (field: string | readonly string[] | undefined): boolean =>
  listMembers(field).every((coding) => coding.toLowerCase() === 'identity');
