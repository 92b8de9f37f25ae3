/**
 * Whether an object has two members with the same name. `JSON.parse` keeps the last one, but another parser
 * may keep the first one.
 *
 * @param value the result of `JSON.parse(text)`.
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
