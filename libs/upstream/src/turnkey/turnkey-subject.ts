import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { memberErrors, rule } from '#libs/platform';
import type { ParsedSubject, Subject } from '../port/upstream-provider.js';
import { contactSchema, type Contact } from './contact.js';

/** The ids are in lower case, and absent if the caller does not know them. */
export interface TurnkeySubject {
  /** The sub-organization. */
  organizationId?: string | undefined;
  userId?: string | undefined;
  contact: Contact;
}

/** @param needed the error text if the id is missing; null if the id is optional */
const id = (needed: string | null) =>
  z
    .guid({ error: ({ input }) => ((input ?? null) === null && needed) || 'is not a UUID' })
    .transform((text) => text.toLowerCase());

/** Null means absent, as in all requests. */
const optionalId = () =>
  id(null)
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();

const NEEDED = 'is needed, because the user’s device signs it';
const SCHEMAS = {
  server: z
    .strictObject({
      organizationId: optionalId().meta({
        description: 'The user’s sub-organization. In client custody it is required, and not null.',
      }),
      userId: optionalId().meta({ description: 'In client custody it is required, and not null.' }),
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
 * If the user's device holds the session's key, the ids are required, because the device signs them.
 *
 * @param parentId the parent organization, which contains no user
 * @throws ProblemError `validation_failed` that points at the invalid member
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
      ...rule('parent_organization', 'is the parent organization: a user is in a sub-organization'),
    })
    .safeParse(value);
  if (!parsed.success) {
    const ids = custody === 'client' ? 'needed, because the device signs them' : 'optional';
    throw new ProblemError('validation_failed', {
      detail:
        'The subject of a Turnkey onboarding is {"contact": {"type": "email" or "phone", "value": …}, ' +
        `"organizationId": UUID, "userId": UUID}; the ids are ${ids}.`,
      errors: memberErrors(parsed.error.issues, '/subject'),
    });
  }
  return {
    subject: parsed.data as unknown as Subject,
    key: keyOf(parsed.data.contact),
    personal: ['contact'],
  };
}

/** Only the contact, because the limits on codes protect the person who gets them. */
const keyOf = ({ type, value }: Contact) => `${type}:${value}`;

/** @returns null if the text is no e-mail address and no phone number */
export function keyOfContact(contact: string): string | null {
  const type = contact.includes('@') ? 'email' : 'phone';
  const parsed = contactSchema.safeParse({ type, value: contact });
  return parsed.success ? keyOf(parsed.data) : null;
}

/** {@link parseTurnkeySubject} has validated the subject of a stored onboarding. */
export const turnkeySubject = (subject: Subject) => subject as unknown as TurnkeySubject;
