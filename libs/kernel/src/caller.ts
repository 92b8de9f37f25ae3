/** What a caller may do. */
export const SCOPES = [
  'onboardings:read',
  'onboardings:write',
  'onboardings:erase',
  'operations:read',
  'operations:write',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Who is behind a request, once it has shown so. */
export interface Caller {
  /** Owns what it starts. Several keys, and tokens of the same name, are one caller. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Names of the integrations that it may use; null for all. */
  readonly integrations: ReadonlySet<string> | null;
}

const SCOPE_NAMES: ReadonlySet<string> = new Set(SCOPES);

/** Whether a word is one of {@link SCOPES}. */
export const isScope = (word: string): word is Scope => SCOPE_NAMES.has(word);

/** Whether a text may name a caller: it goes into logs, actors and columns as it is. */
export const isCallerName = (text: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);

/** The caller of `API_KEY`, who owns what was started before callers had names. */
export const DEFAULT_CALLER = 'default';
