import { ProblemError } from '#libs/kernel';
import { OTP_TYPES, type Contact } from './contact.js';
import { CODE_LIFE_DEFAULT_S, overlaid, type InitOtpChoice } from './otp-choice.js';
import type { TurnkeySubject } from './turnkey-subject.js';

export interface InitOtpRequest {
  type: string;
  parameters: Readonly<Record<string, unknown>>;
  lifeMs: number;
}

/** @throws ProblemError if `otpType` does not fit the contact */
export function mustFit({ otpType }: InitOtpChoice, { type }: Contact): void {
  if (otpType === undefined || otpType === OTP_TYPES[type]) return;
  const detail = `does not fit the type of the contact, which is ${type}`;
  throw new ProblemError('validation_failed', {
    detail: `otpType ${detail}.`,
    errors: [{ pointer: '/otp/otpType', code: 'contradiction', detail }],
  });
}

/**
 * Turnkey public API, init OTP. V1 and V3 contain the application's name at different places. Only V3 returns
 * a key to encrypt the code.
 */
export function initOtpRequest(
  version: 'V3' | 'V1',
  appName: string,
  { contact }: TurnkeySubject,
  defaults: InitOtpChoice,
  choice: InitOtpChoice,
): InitOtpRequest {
  const otpType = OTP_TYPES[contact.type];
  const {
    emailCustomization,
    expirationSeconds = String(CODE_LIFE_DEFAULT_S),
    ...rest
  } = overlaid(defaults, choice);
  const parameters = { ...rest, otpType, contact: contact.value, expirationSeconds };
  const lifeMs = Number(expirationSeconds) * 1000;
  if (version === 'V1') {
    const customization = { ...emailCustomization, appName };
    return {
      type: 'ACTIVITY_TYPE_INIT_OTP',
      parameters: { ...parameters, emailCustomization: customization },
      lifeMs,
    };
  }
  return {
    type: 'ACTIVITY_TYPE_INIT_OTP_V3',
    parameters: { ...parameters, appName, ...(emailCustomization && { emailCustomization }) },
    lifeMs,
  };
}
