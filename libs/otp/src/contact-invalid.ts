import type { Row, Explanation } from '#libs/onboarding';

/**
 * The provider refuses the contact. If the caller named no contact, the provider used the one in its records.
 */
export function contactInvalid({ sealedContact }: Row): Explanation {
  const detail = 'The provider cannot send a code to the contact.';
  const pointer = sealedContact === null ? '/subject' : '/subject/contact/value';
  return { code: 'contact_invalid', detail, errors: [{ pointer, code: 'contact_invalid', detail }] };
}
