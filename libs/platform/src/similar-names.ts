/** Two names are similar if they differ by at most this many letters. */
const MOST_EDITS = 2;
/** Shorter names are not compared, because they resemble names of other programs: `HOST` and `HOME`. */
const SHORTEST = 6;

/** @returns the known name that is most similar to an unknown name. Null if no name is similar. */
export function similarName(name: string, known: readonly string[]): string | null {
  const near = known
    .filter((each) => each.length >= SHORTEST && Math.abs(each.length - name.length) <= MOST_EDITS)
    .map((each) => ({ each, edits: edits(name, each) }))
    .filter((one) => one.edits <= MOST_EDITS)
    .toSorted((a, b) => a.edits - b.edits);
  return near[0]?.each ?? null;
}

/** @returns the end of an error message that suggests a similar name. Empty if no name is similar. */
export function suggestion(name: string, known: readonly string[]): string {
  const similar = similarName(name, known);
  return similar === null ? '' : `; do you mean ${similar}?`;
}

/** How many letters must be changed, added or removed to turn one text into the other (Levenshtein). */
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
