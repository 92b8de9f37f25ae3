import type { Row, StepEnd } from '#libs/onboarding';

/** The provider refuses the contact itself. Where the caller did not name it, the provider's own record has it. */
export function contactInvalid({ sealedContact }: Row): NonNullable<StepEnd['result']> {
  const detail = 'The provider cannot send a code to the contact.';
  const pointer = sealedContact === null ? '/subject' : '/subject/contact/value';
  return { code: 'contact_invalid', detail, errors: [{ pointer, code: 'contact_invalid', detail }] };
}
