import { z } from 'zod';

/** Where a code goes: an e-mail address in lower case, or a phone number (E.164). */
export interface Contact {
  type: 'email' | 'phone';
  value: string;
}

export const contactSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('email'),
      // Upstream compares without regard to case: two spellings must not be two subjects.
      value: z
        .email('is not an e-mail address')
        .max(254, 'is longer than 254')
        .transform((value) => value.toLowerCase()),
    }),
    z.strictObject({
      type: z.literal('phone'),
      value: z.string().regex(/^\+[1-9]\d{6,14}$/, 'is not a phone number in E.164, such as +33612345678'),
    }),
  ],
  { error: 'is not {"type": "email" or "phone", "value": …}' },
);

export const OTP_TYPES = { email: 'OTP_TYPE_EMAIL', phone: 'OTP_TYPE_SMS' } as const;
export const FILTER_TYPES = { email: 'EMAIL', phone: 'PHONE_NUMBER' } as const;

/** A contact as a user to be has it. */
export const asUserContact = ({ type, value }: Contact) =>
  type === 'email' ? { userEmail: value } : { userPhoneNumber: value };

/** A contact as the signed message of a signup has it. */
export const asSignedContact = ({ type, value }: Contact) =>
  type === 'email' ? { email: value } : { phoneNumber: value };
