import { defineProvider } from '../define-provider.js';
import { initOtpChoice } from './otp-choice.js';
import { replayed } from './replayed.js';
import { turnkeySettings } from './settings.js';
import { keyOfContact, turnkeySubjectSchema } from './turnkey-subject.js';
import { TurnkeyProvider } from './turnkey.provider.js';

export const turnkey = defineProvider({
  kind: 'turnkey',
  signs: true,
  settings: turnkeySettings,
  limitsSignatureAge: false,
  law: {
    'init-otp': replayed('give_up'),
    'verify-otp': replayed('outcome_unknown'),
    'create-authenticators': replayed('outcome_unknown'),
  },
  schemas: { subject: turnkeySubjectSchema, otp: initOtpChoice },
  keyOfContact,
  replayable: ['init-otp', 'verify-otp', 'create-authenticators'],
  create: (integration, { keys, ...parts }) => new TurnkeyProvider(integration, keys, parts),
});
