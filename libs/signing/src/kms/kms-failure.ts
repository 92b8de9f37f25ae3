import { SignerError } from '../request-signer.js';

/** Temporary errors with a status 4xx (AWS KMS, common errors; SDK retry behaviour). */
const TEMPORARY = /Throttl|TooManyRequests|LimitExceeded|SlowDown|RequestTimeout|PriorRequestNotComplete/;

interface AwsError {
  name: string;
  $metadata?: { httpStatusCode?: number };
}

/**
 * A status 4xx is a definite refusal, except 408, 429 and the names in {@link TEMPORARY}. Any other error may
 * be temporary.
 */
export function signerErrorOf(error: unknown): SignerError {
  if (error instanceof SignerError) return error;
  const { name, $metadata } = error as AwsError;
  const status = $metadata?.httpStatusCode ?? 0;
  const isDefiniteRefusal =
    status >= 400 && status < 500 && status !== 429 && status !== 408 && !TEMPORARY.test(name);
  // AWS's message is not shown, because it may contain the account and the role.
  const known = /^[A-Za-z]{1,64}$/.test(name) ? name : 'an unknown error';
  return new SignerError(
    isDefiniteRefusal ? 'refused' : 'unavailable',
    isDefiniteRefusal ? `AWS KMS refuses to sign (${known})` : `AWS KMS does not sign now (${known})`,
    { cause: error },
  );
}
