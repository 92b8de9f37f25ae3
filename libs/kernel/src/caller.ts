export const SCOPES = [
  'onboardings:read',
  'onboardings:write',
  'onboardings:erase',
  'operations:read',
  'operations:write',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** The authenticated service that sent a request. */
export interface Caller {
  /** Keys and tokens with the same name are one caller, which owns the onboardings that it starts. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The integrations that the caller may use; null for all. */
  readonly integrations: ReadonlySet<string> | null;
}

const SCOPE_NAMES: ReadonlySet<string> = new Set(SCOPES);

export const isScope = (word: string): word is Scope => SCOPE_NAMES.has(word);

/** Whether a caller with an API key may have this name. */
export const isKeyCallerName = (text: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);

/**
 * Whether a caller with a JWT may have this name (RFC 7519 §4.1.2): 1 to 255 printable code points. Control,
 * format and private characters could falsify logs.
 */
export const isCallerName = (text: string): boolean =>
  /^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u.test(text) && /[^\p{Z}]/u.test(text);

/** The caller that uses the development key `API_KEY`. */
export const DEFAULT_CALLER = 'default';
