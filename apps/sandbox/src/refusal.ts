export class Refusal extends Error {
  /** The effect of the refused request, for the journal: e.g. a wrong code costs a try. */
  effect: object | null = null;

  constructor(
    readonly status: number,
    text: string,
    /** `json` is `{error, status}`. `text` is plain text, as upstream answers some failures. */
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
