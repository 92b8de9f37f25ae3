import { DEFAULT_CALLER, SCOPES, type Caller, type Scope } from '#libs/kernel';

/** A caller with all scopes, or with the given ones. */
export const aCaller = (
  name = DEFAULT_CALLER,
  scopes: readonly Scope[] = SCOPES,
  integrations: readonly string[] | null = null,
): Caller => ({ name, scopes: new Set(scopes), integrations: integrations && new Set(integrations) });
