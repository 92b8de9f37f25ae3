/** An attribute of our spans. `docs/reference/signals.md` lists it, and a test looks for it in real spans. */
export interface SpanAttribute {
  /** `string`, `int`, `double`, `boolean` or an array of one of them. */
  type: string;
  /** Which spans have it. */
  on: string;
  /** What it says, for operators. */
  meaning: string;
}

/** All attributes of spans and of the resource. Semantic conventions name them if they can. */
export const SPAN_ATTRIBUTES: Readonly<Record<string, SpanAttribute>> = {};
