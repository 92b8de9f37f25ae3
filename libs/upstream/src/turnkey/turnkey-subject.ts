import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { memberErrors } from '#libs/platform';
import type { ParsedSubject, Subject } from '../port/upstream-provider.js';
import { contactSchema, type Contact } from './contact.js';

/** A user of Turnkey's: by contact, which a code proves, and by ids where these are known. Ids in lower case. */
export interface TurnkeySubject {
  /** The sub-organization. */
  organizationId?: string | undefined;
  userId?: string | undefined;
  contact: Contact;
}

/** @param needed why a missing one is refused; null where it may be missing. */
const id = (needed: string | null) =>
  z
    .guid({ error: ({ input }) => ((input ?? null) === null && needed) || 'is not a UUID' })
    .transform((text) => text.toLowerCase());

/** Null means absent, as in the whole of a request. */
const optionalId = () =>
  id(null)
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();

const NEEDED = 'is needed, because the user’s device signs it';
const SCHEMAS = {
  server: z
    .strictObject({
      organizationId: optionalId(),
      userId: optionalId(),
      contact: contactSchema,
    })
    .meta({
      id: 'TurnkeySubject',
      description: 'At Turnkey and its Auth Proxy. In client custody both ids are needed.',
    }),
  client: z.strictObject({ organizationId: id(NEEDED), userId: id(NEEDED), contact: contactSchema }),
};

/** For the API's documentation. */
export const turnkeySubjectSchema = SCHEMAS.server;

/**
 * Reads the caller's `subject`. In client custody the ids are needed from the start: the device signs them, and a
 * sub-organization cannot be made without its signature.
 *
 * @param parentId the organization that no user is in.
 * @throws ProblemError `validation_failed` that points at the wrong member.
 */
export function parseTurnkeySubject(
  value: unknown,
  custody: 'server' | 'client',
  parentId: string,
): ParsedSubject {
  const schema: z.ZodType<TurnkeySubject> = SCHEMAS[custody];
  const parsed = schema
    .refine(({ organizationId }) => organizationId !== parentId, {
      path: ['organizationId'],
      message: 'is the parent organization: a user is in a sub-organization',
    })
    .safeParse(value);
  if (!parsed.success) {
    throw new ProblemError('validation_failed', {
      detail:
        'The subject of a Turnkey onboarding is {"contact": {"type": "email" or "phone", "value": …}, ' +
        `"organizationId": UUID, "userId": UUID}; the ids are ${custody === 'client' ? 'needed, since the device signs them' : 'optional'}.`,
      errors: memberErrors(parsed.error.issues, '/subject'),
    });
  }
  return {
    subject: parsed.data as unknown as Subject,
    key: keyOf(parsed.data.contact),
    personal: ['contact'],
  };
}

/** The contact alone: whoever names it is mailed, by whatever organization, and budgets are for who is mailed. */
const keyOf = ({ type, value }: Contact) => `${type}:${value}`;

/** @returns the key of the subject with that contact; null where it is neither e-mail address nor phone number. */
export function keyOfContact(contact: string): string | null {
  const type = contact.includes('@') ? 'email' : 'phone';
  const parsed = contactSchema.safeParse({ type, value: contact });
  return parsed.success ? keyOf(parsed.data) : null;
}

/** What {@link parseTurnkeySubject} let through, from its row. */
export const turnkeySubject = (subject: Subject) => subject as unknown as TurnkeySubject;
