/** Variables of other programs that resemble ours. */
const FOREIGN: ReadonlySet<string> = new Set(['APP_KEY', 'POST']);
const SHORT = 8;

/** Short names with two different letters, such as HOST and HOME, are not similar. */
const mostEdits = (name: string) => (name.length < SHORT ? 1 : 2);

/** @returns null if no known name is similar. */
export function similarName(name: string, known: readonly string[]): string | null {
  if (FOREIGN.has(name)) return null;
  const near = known
    .filter((each) => Math.abs(each.length - name.length) <= mostEdits(each))
    .map((each) => ({ each, edits: edits(name, each) }))
    .filter((one) => one.edits <= mostEdits(one.each))
    .toSorted((one, other) => one.edits - other.edits);
  return near[0]?.each ?? null;
}

/** @returns an empty text if no name is similar. */
export function suggestion(name: string, known: readonly string[]): string {
  const similar = similarName(name, known);
  return similar === null ? '' : `; do you mean ${similar}?`;
}

export const nearestNames = (name: string, known: readonly string[], most = 3): string[] =>
  known
    .map((each) => ({ each, edits: edits(name.toLowerCase(), each.toLowerCase()) }))
    .toSorted((one, other) => one.edits - other.edits)
    .slice(0, most)
    .map(({ each }) => each);

/** Levenshtein distance. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + Number(letter !== other)));
    }
    row = next;
  }
  return row[to.length]!;
}
