import { defineProvider } from '../define-provider.js';
import { turnkeySettings } from './settings.js';
import { TurnkeyProvider } from './turnkey.provider.js';

export const turnkey = defineProvider({
  kind: 'turnkey',
  signs: true,
  settings: turnkeySettings,
  limitsSignatureAge: false,
  create: (integration, { keys, ...parts }) => new TurnkeyProvider(integration, keys, parts),
});
