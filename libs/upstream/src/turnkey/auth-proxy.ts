import { defineProvider } from '../define-provider.js';
import { AFTER_COOLDOWN, REFUSED, retry } from '../port/retry-law.js';
import { AuthProxyProvider } from './auth-proxy.provider.js';
import { authProxyChoice } from './otp-choice.js';
import { replayed } from './replayed.js';
import { authProxySettings } from './settings.js';
import { keyOfContact, turnkeySubjectSchema } from './turnkey-subject.js';

/**
 * The Auth Proxy does not recognize a repeated request. The registration of passkeys can be repeated, because
 * it uses the public API.
 */
export const authProxy = defineProvider({
  kind: 'turnkey-auth-proxy',
  signs: false,
  settings: authProxySettings,
  limitsSignatureAge: false,
  law: {
    'init-otp': {
      not_sent: retry(null, 'give_up'),
      throttled: retry(null, 'give_up'),
      // Each try counts as a sent code, so the subject's limit of codes also limits the tries.
      unavailable: retry(null, 'give_up'),
      no_answer: retry(1, 'give_up', AFTER_COOLDOWN),
      ...REFUSED,
    },
    'verify-otp': {
      not_sent: retry(null, 'give_up'),
      throttled: retry(null, 'give_up'),
      unavailable: retry(2, 'outcome_unknown'),
      no_answer: retry(0, 'outcome_unknown'),
      ...REFUSED,
    },
    'create-authenticators': replayed('outcome_unknown'),
  },
  schemas: { subject: turnkeySubjectSchema, otp: authProxyChoice },
  keyOfContact,
  replayable: ['create-authenticators'],
  create: (integration, parts) => new AuthProxyProvider(integration, parts),
});
