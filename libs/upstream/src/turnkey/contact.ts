import { z } from 'zod';

/** An e-mail address in lower case, or a phone number (E.164). */
export interface Contact {
  type: 'email' | 'phone';
  value: string;
}

const ATOM = String.raw`[A-Za-z0-9!#$%&'*+/=?^_\x60{|}~-]+`;
const QUOTED = String.raw`"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"`;
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const LITERAL = String.raw`\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]`;
/** RFC 5321 §4.1.2 and §4.5.3.1. */
const MAILBOX = new RegExp(
  `^(?=.{1,64}@[^@]{1,253}$)(?:${ATOM}(?:\\.${ATOM})*|${QUOTED})@(?:${LABEL}(?:\\.${LABEL})+|${LITERAL})$`,
);

export const emailSchema = z
  .string('is not an e-mail address')
  .max(254, 'is longer than 254')
  .regex(MAILBOX, 'is not an e-mail address');

export const contactSchema = z.discriminatedUnion(
  'type',
  [
    z
      .strictObject({
        type: z.literal('email'),
        // Turnkey ignores case, so two spellings of an address are one subject.
        value: emailSchema.transform((value) => value.toLowerCase()),
      })
      .meta({ id: 'EmailContact' }),
    z
      .strictObject({
        type: z.literal('phone'),
        value: z.string().regex(/^\+[1-9]\d{6,14}$/, 'is not a phone number in E.164, such as +33612345678'),
      })
      .meta({ id: 'PhoneContact' }),
  ],
  { error: 'is not {"type": "email" or "phone", "value": …}' },
);

export const OTP_TYPES = { email: 'OTP_TYPE_EMAIL', phone: 'OTP_TYPE_SMS' } as const;
export const FILTER_TYPES = { email: 'EMAIL', phone: 'PHONE_NUMBER' } as const;

/** For the creation of a user. */
export const asUserContact = ({ type, value }: Contact) =>
  type === 'email' ? { userEmail: value } : { userPhoneNumber: value };

/** For the signed message of a signup. */
export const asSignedContact = ({ type, value }: Contact) =>
  type === 'email' ? { email: value } : { phoneNumber: value };
