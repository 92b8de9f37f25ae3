import type { Row, Explanation } from '#libs/onboarding';

/**
 * @returns the result for a contact that the provider refuses. If the request names no contact, the provider
 *   has used the contact in its own records.
 */
export function contactInvalid({ sealedContact }: Row): Explanation {
  const detail = 'The provider cannot send a code to the contact.';
  const pointer = sealedContact === null ? '/subject' : '/subject/contact/value';
  return { code: 'contact_invalid', detail, errors: [{ pointer, code: 'contact_invalid', detail }] };
}
