/** A request the sandbox says no to, with the whole answer it gets. */
export class Refusal extends Error {
  /** What the request did all the same (a wrong code costs a try), for the journal. */
  effect: object | null = null;

  constructor(
    readonly status: number,
    text: string,
    /** `json` is `{error, status}`; `text` is the bare string that some upstream failures answer. */
    readonly form: 'json' | 'text' = 'json',
  ) {
    super(text);
    this.name = 'Refusal';
  }

  /** The answer's body. */
  body(): string | object {
    return this.form === 'text' ? this.message : { error: this.message, status: this.status };
  }

  withEffect(effect: object): this {
    this.effect = effect;
    return this;
  }
}
