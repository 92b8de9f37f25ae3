/** An answer of 200, and what the call did, for the journal. */
export interface Outcome<Answer> {
  answer: Answer;
  effect: object;
}
