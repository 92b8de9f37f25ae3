/** A field of our log lines. `docs/reference/signals.md` lists it, and a test looks for it in real lines. */
export interface LogField {
  /** Its type in JSON, and the format of a text, e.g. `string (UUID)`. */
  type: string;
  /** Which lines have it. */
  on: string;
  /** What it says, for operators. */
  meaning: string;
}

/** All fields of log lines by their names; a nested one as `req.method`. */
export const LOG_FIELDS: Readonly<Record<string, LogField>> = {};
