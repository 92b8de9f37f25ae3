import { byzantine } from './byzantine/byzantine.js';
import type { Provider } from './define-provider.js';
import { authProxy } from './turnkey/auth-proxy.js';
import { turnkey } from './turnkey/turnkey.js';

export const PROVIDERS = [byzantine, turnkey, authProxy] as const;

export type ProviderKind = (typeof PROVIDERS)[number]['kind'];

/** Undefined if a row names a kind that this version no longer has. */
export const findProvider = (kind: string): Provider | undefined =>
  PROVIDERS.find((provider) => provider.kind === kind);
