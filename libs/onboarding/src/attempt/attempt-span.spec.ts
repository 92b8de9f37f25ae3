import { expect, it, jest } from '@jest/globals';
import type { Span } from '#libs/platform';
import { NOTHING_SENT, UpstreamError, type FailureClass } from '#libs/upstream';
import { noteEnd } from './attempt-span.js';

it.each([
  ['rejected', false],
  ['rejected_unclear', true],
  ['no_answer', true],
] satisfies [FailureClass, boolean][])(
  'the span of an attempt that ended with %s is marked as a fault: %s',
  (failure, isFault) => {
    const [set, fail] = [jest.fn<Span['set']>(), jest.fn<Span['fail']>()];
    const error = new UpstreamError(failure, { detail: 'x', evidence: NOTHING_SENT });
    noteEnd({ set, fail } as Partial<Span> as Span, { type: 'failed', error });
    expect(set).toHaveBeenCalledWith({ 'gangway.attempt.class': failure });
    expect(fail).toHaveBeenCalledWith(failure, isFault);
  },
);
