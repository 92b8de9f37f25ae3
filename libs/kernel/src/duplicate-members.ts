/**
 * Whether JSON has an object with a member twice. We would read the last one, and who gets the same bytes after us
 * might read the first.
 *
 * @param value of the text, by `JSON.parse`.
 */
export function hasDuplicateMembers(text: string, value: unknown): boolean {
  const colons = text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1;
  return colons !== countMembers(value);
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members = Object.values(value);
  const own = Array.isArray(value) ? 0 : members.length;
  return members.reduce<number>((sum, member) => sum + countMembers(member), own);
}
