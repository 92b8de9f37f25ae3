import { DEFAULT_CALLER, SCOPES, type Caller, type Scope } from '#libs/kernel';

export const aCaller = (
  name = DEFAULT_CALLER,
  scopes: readonly Scope[] = SCOPES,
  integrations: readonly string[] | null = null,
): Caller => ({ name, scopes: new Set(scopes), integrations: integrations && new Set(integrations) });
