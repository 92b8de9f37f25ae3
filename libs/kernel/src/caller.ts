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

/** The caller of `API_KEY`, who owns what was started before callers had names. */
export const DEFAULT_CALLER = 'default';
