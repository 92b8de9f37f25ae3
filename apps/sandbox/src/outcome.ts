/** The body of a 200 answer, and the effect for the journal. */
export interface Outcome<Answer> {
  answer: Answer;
  effect: object;
}
