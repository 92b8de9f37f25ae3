import { SignerError } from '../request-signer.js';

/** The names of temporary errors that have a status 4xx (AWS KMS, common errors; SDK retry behaviour). */
const TEMPORARY = /Throttl|TooManyRequests|LimitExceeded|SlowDown|RequestTimeout|PriorRequestNotComplete/;

interface AwsError {
  name: string;
  $metadata?: { httpStatusCode?: number };
}

/**
 * A status 4xx is a definite refusal (access, key or credentials), except 408, 429 and the names in
 * {@link TEMPORARY}. Every other error may be temporary: 5xx, a broken connection, the time limit, missing
 * credentials.
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
