/** The refusal of a request, with the whole answer. */
export class Refusal extends Error {
  /** The effect that the refused request had (a wrong code costs a try), for the journal. */
  effect: object | null = null;

  constructor(
    readonly status: number,
    text: string,
    /** `json` is `{error, status}`. `text` is a plain text, with which upstream answers some failures. */
    readonly form: 'json' | 'text' = 'json',
  ) {
    super(text);
    this.name = 'Refusal';
  }

  body(): string | object {
    return this.form === 'text' ? this.message : { error: this.message, status: this.status };
  }

  withEffect(effect: object): this {
    this.effect = effect;
    return this;
  }
}
