import { defineProvider } from '../define-provider.js';
import { AuthProxyProvider } from './auth-proxy.provider.js';
import { authProxySettings } from './settings.js';

export const authProxy = defineProvider({
  kind: 'turnkey-auth-proxy',
  signs: false,
  settings: authProxySettings,
  limitsSignatureAge: false,
  create: (integration, parts) => new AuthProxyProvider(integration, parts),
});
