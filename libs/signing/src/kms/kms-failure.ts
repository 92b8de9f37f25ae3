import { SignerError } from '../request-signer.js';

/**
 * Error names that mean "not now" although the status is 4xx (AWS KMS, common errors; SDK retry behaviour).
 */
const NOT_NOW = /Throttl|TooManyRequests|LimitExceeded|SlowDown|RequestTimeout|PriorRequestNotComplete/;

interface AwsError {
  name: string;
  $metadata?: { httpStatusCode?: number };
}

/**
 * Apart from the names above, a status 4xx is a definite refusal (access, key or credentials). Every other
 * error may be temporary: 5xx, throttling, a broken connection, the time limit, missing credentials.
 */
export function signerErrorOf(error: unknown): SignerError {
  if (error instanceof SignerError) return error;
  const { name, $metadata } = error as AwsError;
  const status = $metadata?.httpStatusCode ?? 0;
  const isNo = status >= 400 && status < 500 && status !== 429 && status !== 408 && !NOT_NOW.test(name);
  // AWS's message is not shown: it may contain the account and the role.
  const known = /^[A-Za-z]{1,64}$/.test(name) ? name : 'an unknown error';
  return new SignerError(
    isNo ? 'refused' : 'unavailable',
    isNo ? `AWS KMS refuses to sign (${known})` : `AWS KMS does not sign now (${known})`,
    { cause: error },
  );
}
