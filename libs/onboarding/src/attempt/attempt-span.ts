import type { Span } from '#libs/platform';
import type { Row } from '../flow/row.js';
import type { AttemptEnd } from './verdict.js';

export const spanAttributesOf = ({ id, integration, step, attempt }: Row) => ({
  'gangway.onboarding.id': id,
  'gangway.integration': integration,
  ...(step && { 'gangway.step': step }),
  'gangway.attempt': attempt,
});

export function noteEnd(span: Span, end: AttemptEnd): void {
  const type = end.type === 'failed' ? end.error.failure : end.type;
  span.set({ 'gangway.attempt.class': type === 'succeeded' ? 'ok' : type });
  // A wrong code is no fault of the service or the provider.
  if (type !== 'succeeded') span.fail(type, type !== 'rejected');
}
